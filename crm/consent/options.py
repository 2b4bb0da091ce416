"""Settings of contactability: hours, caps and consents, for everything and for each purpose."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from crm.consent.contactability import Policy
from crm.consent.optouts import Purpose
from crm.consent.windows import Window
from telephony.options import Options, SpanOptions

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _in_order(spans: list[SpanOptions]) -> list[SpanOptions]:
    """Each span closes after it opens."""
    for span in spans:
        if _minutes(span.close) <= _minutes(span.open):
            raise ValueError(
                f"a span that opens at {span.open} has to close later that day, not at {span.close}"
            )
    return spans


_Spans = Annotated[list[SpanOptions], AfterValidator(_in_order)]


class PurposeOptions(Options):
    """What holds for one purpose. What is not set is as for all."""

    spans: _Spans | None = Field(None, description="hours in which people may be contacted for this purpose")
    consent_needed: bool = Field(False, description="only people who have agreed, with proof")
    quiet_hours_after_talk: int = Field(
        0, ge=0, le=720, description="nothing of this purpose so long after a talk; 0: no such rest"
    )
    stopped_by_case: bool = Field(True, description="an open complaint holds it back")


class ContactabilityOptions(Options):
    """When and how often people may be contacted, over all campaigns and calls by hand."""

    spans: _Spans = Field(
        default_factory=lambda: [
            SpanOptions(days=["mon", "tue", "wed", "thu", "fri", "sat"], open="09:00", close="12:00"),
            SpanOptions(days=["mon", "tue", "wed", "thu", "fri", "sat"], open="13:00", close="20:00"),
        ],
        description="hours of the called person",
    )
    on_holidays: bool = Field(False, description="also on the statutory holidays of calendar.holidays")
    number_a_day: int = Field(1, ge=1, le=10, description="most calls to one number on one day")
    person_a_day: int = Field(
        2, ge=1, le=10, description="most calls to one person on one day, over all numbers"
    )
    hours_apart: float = Field(4, ge=0, le=72, description="between two calls to one person")
    hours_after_abandoned: int = Field(
        72,
        ge=24,
        le=720,
        description="a number that answered and met nobody is not dialed by machine for so long",
    )
    visits: PurposeOptions = PurposeOptions()
    reminders: PurposeOptions = PurposeOptions()
    advertising: PurposeOptions = PurposeOptions(consent_needed=True, quiet_hours_after_talk=24)

    def policies(self, holidays_of: str) -> Mapping[Purpose, Policy]:
        """The house's policy for each purpose; of `all` the strictest of them. `holidays_of`: ISO 3166."""
        country = "" if self.on_holidays else holidays_of
        chosen = {
            Purpose.VISITS: self._policy(self.visits, country),
            Purpose.REMINDERS: self._policy(self.reminders, country),
            Purpose.ADVERTISING: self._policy(self.advertising, country),
        }
        return {**chosen, Purpose.ALL: chosen[Purpose.ADVERTISING]}

    def _policy(self, own: PurposeOptions, country: str) -> Policy:
        spans = self.spans if own.spans is None else own.spans
        return Policy(
            window=Window(week_of(spans), country),
            number_a_day=self.number_a_day,
            person_a_day=self.person_a_day,
            apart=timedelta(hours=self.hours_apart),
            quiet_after_talk=timedelta(hours=own.quiet_hours_after_talk),
            quiet_after_abandoned=timedelta(hours=self.hours_after_abandoned),
            consent_needed=own.consent_needed,
            stopped_by_case=own.stopped_by_case,
        )


def week_of(spans: list[SpanOptions]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Monday to Sunday in minutes after midnight."""
    week: list[list[tuple[int, int]]] = [[] for _ in _DAYS]
    for span in spans:
        for day in span.days:
            week[_DAYS.index(day)].append((_minutes(span.open), _minutes(span.close)))
    return tuple(tuple(sorted(day)) for day in week)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)

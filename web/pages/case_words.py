"""Cases in words: states, steps, spans of working time, and what stands beside an event of the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from access.users import Language
from crm.cases.cases import By, Case, CaseEvent, CaseState, Effect, Reached, Responsibility
from crm.cases.steps import Step
from web.languages import text, texts
from web.ports.cases import CaseChoices

#: Parts of an event that are for programs, or that its line says already.
_INNER: Final = frozenset(
    {
        "version",
        "urges",
        "reached",
        "with_link",
        "handler_id",
        "by",
        "from",
        "to",
        "round",
        "occasion",
        "name",
        "call_id",
    }
)
#: What an event may hold beside its words, and how it is called.
_NAMES: Final[Mapping[str, str]] = {
    "department": "cases.department",
    "departmental_person": "cases.departmental_person",
    "handler_name": "cases.handler",
    "cause": "cases.cause",
    "responsibility": "cases.responsibility",
    "plan": "cases.plan",
    "carry_out_on": "cases.carry_out_on",
    "corrective_action": "cases.corrective_action",
    "corrective_owner": "cases.corrective_owner",
    "corrective_on": "cases.corrective_on",
    "effect_on": "cases.effect_on",
    "effect": "cases.effect",
    "kind": "cases.kind",
    "source": "cases.source",
    "grade": "cases.grade",
    "promised_at": "cases.promised",
    "subject": "cases.subject",
    "words": "cases.words",
    "summary": "cases.summary",
    "happened": "cases.happened",
    "place": "cases.place",
    "symptom": "cases.symptom",
    "wants": "cases.wants",
    "occurred_at": "cases.occurred",
    "customer_id": "cases.customer",
    "vehicle_id": "cases.vehicle",
    "mileage": "cases.mileage",
    "phone": "cases.phone",
    "caller_name": "cases.caller",
    "consultant": "cases.consultant",
    "advisor": "cases.advisor",
    "technician": "cases.technician",
    "due_at": "cases.data.due",
    "due": "cases.data.due",
    "due_what": "cases.due",
    "level": "cases.data.level",
    "why": "cases.data.why",
    "told": "cases.data.told",
    "try": "cases.data.try",
    "ending": "cases.ending",
    "repeat_of": "cases.repeats",
    "duplicate_of": "cases.tie.duplicate",
    "other_id": "cases.other_number",
    "tie": "cases.tie",
    "link_id": "cases.data.link",
}


@dataclass(frozen=True, kw_only=True)
class CaseWords:
    """The words of one language at one house."""

    language: Language
    zone: str
    choices: CaseChoices = field(default_factory=CaseChoices)

    def t(self, key: str, **values: object) -> str:
        return text(self.language, key, **values)

    def state(self, case: Case) -> str:
        return self.state_word(case.state, case.round)

    def state_word(self, state: CaseState, round_of: int = 1) -> str:
        """The state; handled once more it is 再处理中."""
        if state is CaseState.HANDLING and round_of > 1:
            return self.t("cases.state.handling_again")
        return self.t(f"cases.state.{state.value}")

    def department(self, name: str | None) -> str:
        if not name:
            return ""
        known = self.choices.departments.get(name, {})
        return known.get(self.language) or name

    def handler(self, user_id: str | None) -> str:
        return self.choices.handlers.get(user_id or "", "")

    def moment(self, at: datetime | None) -> str:
        """Year, day and time, as papers say it."""
        return f"{at.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M}" if at else ""

    def short(self, at: datetime | None, now: datetime) -> str:
        """The time, with the day where it is another one."""
        if at is None:
            return ""
        zone = ZoneInfo(self.zone)
        local, today = at.astimezone(zone), now.astimezone(zone)
        if local.date() == today.date():
            return f"{local:%H:%M}"
        return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"

    def span(self, worked: timedelta, workday: timedelta) -> str:
        """Working time as a person says it: working days as long as the house's own, hours, minutes."""
        minutes = max(1, int(worked.total_seconds() // 60))
        day = int(workday.total_seconds() // 60)
        if day and minutes >= 2 * day:
            days, rest = divmod(minutes, day)
            return self.t("cases.span.days", days=days, hours=rest // 60)
        if minutes >= 60:
            return self.t("cases.span.hours", hours=minutes // 60, minutes=minutes % 60)
        return self.t("cases.span.minutes", minutes=minutes)

    def who(self, event: CaseEvent) -> str:
        """Who took a step, and by which way where it was none of ours."""
        if event.by is By.HOUSE:
            return self.t("cases.by.house")
        name = event.by_name or (self.t("cases.by.program") if event.by is By.PROGRAM else "")
        if event.by is By.LINK:
            link = self.t("cases.by.link")
            if not name:
                return link
            return f"{name}（{link}）" if self.language == "zh-CN" else f"{name} ({link})"
        return name

    def done(self, event: CaseEvent) -> str:
        """What was done, with what came of it."""
        words = self.t(f"cases.done.{event.step}")
        reached = event.data.get("reached")
        if reached in set(Reached):
            told = self.t(f"cases.reached.{reached}")
            return f"{words}：{told}" if self.language == "zh-CN" else f"{words}: {told}"
        return words

    def details(self, event: CaseEvent) -> list[tuple[str, str]]:
        """What else an event holds, name and value; nothing of it is left out but what is said elsewhere."""
        found: list[tuple[str, str]] = []
        for name, value in event.data.items():
            if name == "fields" and isinstance(value, Mapping):
                found += [(self._name(one), self._change(one, worth)) for one, worth in value.items()]
            elif name in ("before", "after") and isinstance(value, Mapping):
                said = "; ".join(
                    f"{self._name(one)} {self._value(one, worth)}" for one, worth in value.items()
                )
                found.append((self.t(f"cases.data.{name}"), said))
            elif name not in _INNER and value not in (None, "", [], {}):
                found.append((self._name(name), self._change(name, value)))
        return [(name, value) for name, value in found if value]

    def _name(self, name: str) -> str:
        return self.t(_NAMES[name]) if name in _NAMES else name

    def _change(self, name: str, value: Any) -> str:
        """A value, or its change: [before, after], {"before": …, "after": …} or {"from": …, "to": …}."""
        if name != "told" and isinstance(value, list | tuple) and len(value) == 2:
            return f"{self._value(name, value[0]) or '—'} → {self._value(name, value[1]) or '—'}"
        if isinstance(value, Mapping):
            for first, second in (("before", "after"), ("from", "to")):
                if first in value and second in value:
                    old, new = self._value(name, value[first]), self._value(name, value[second])
                    return f"{old or '—'} → {new or '—'}"
            return "; ".join(f"{one} {worth}" for one, worth in value.items())
        return self._value(name, value)

    def _value(self, name: str, value: Any) -> str:
        if value is None:
            return ""
        if name == "department":
            return self.department(str(value))
        if name == "responsibility" and value in set(Responsibility):
            return self.t(f"cases.responsibility.{value}")
        if name == "effect" and value in set(Effect):
            return self.t(f"cases.effect.{value}")
        if name == "told" and isinstance(value, list | tuple):
            return "、".join(self.handler(str(one)) or str(one) for one in value)
        if name == "due_what":
            return self.t(f"cases.due.{value}")
        if name == "ending":
            return self.t(f"cases.ended.{value}")
        if name in ("kind", "grade", "source", "level", "why", "tie") and f"cases.{name}.{value}" in texts(
            self.language
        ):
            return self.t(f"cases.{name}.{value}")
        if name.endswith("_at") or name == "due":
            return self._moment_of(value)
        if isinstance(value, datetime):
            return self.moment(value)
        return value.isoformat() if isinstance(value, date) else str(value)

    def _moment_of(self, value: Any) -> str:
        if isinstance(value, datetime):
            return self.moment(value)
        try:
            return self.moment(datetime.fromisoformat(str(value)))
        except (ValueError, TypeError):
            return str(value)


def rounds_of(events: list[CaseEvent], rounds: int) -> list[list[CaseEvent]]:
    """The events of each round that a form shows: replies, what the customer said to them, second visits."""
    wanted = {Step.REPLY, Step.RETURN_REPLY, Step.TELL_PLAN, Step.SECOND_VISIT, Step.CARRIED_OUT}
    wanted |= {Step.HAND_BACK, Step.DATE_REACHED}
    return [
        [one for one in events if one.round == number and one.step in wanted]
        for number in range(1, rounds + 1)
    ]

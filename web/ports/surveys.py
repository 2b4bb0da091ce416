"""What the pages and API of questionnaires and their answers need.

Errors are those of `crm.surveys.responses`. A response about a customer whose record is closed to the viewer is
none for him: ResponseNotFound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from access.audit import Entry
from access.users import Principal
from crm.scripts.templates import ScriptPart
from crm.surveys.questionnaires import Channel, Purpose, Questionnaire
from crm.surveys.responses import Answer, Fault, Response
from crm.surveys.states import VersionRow, VersionStep


@dataclass(frozen=True, kw_only=True, slots=True)
class SilentQuestion:
    """A question that keys could answer and callers of a language do not hear: they are not asked it."""

    question: str
    language: str
    #: What its recording is called.
    key: str
    #: Whether it is written in that language.
    written: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionnaireView:
    """One version as the editor shows it."""

    row: VersionRow
    #: Where it cannot work; empty: it may be submitted.
    faults: Sequence[Fault] = ()
    #: Steps this viewer can take now.
    possible: Sequence[VersionStep] = ()
    #: Responses begun with it, counted up to a thousand.
    begun: int = 0
    #: Questions that callers do not hear.
    silent: Sequence[SilentQuestion] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ResponseView:
    """A response as this viewer may see it, with the questionnaire it was begun with and what to say."""

    response: Response
    questionnaire: Questionnaire
    #: Language the customer is spoken to in.
    language: str
    #: Codes of the questions that are asked with the answers so far, in order.
    path: Sequence[str]
    #: Those of them that must be answered and are not.
    missing: Sequence[str]
    #: Language to the words with the customer's data in them; "question:CODE" besides opening and closing.
    spoken: Mapping[str, Mapping[str, Sequence[ScriptPart]]]
    #: What may be done with it now.
    possible: Sequence[str]
    customer_name: str = ""
    customer_number: str = ""
    plate: str = ""
    #: The number of the case it opened, and of the case it asks about.
    opened_case_number: str = ""
    case_number: str = ""
    #: The newer version that is asked by now, if there is one.
    newer_version: int | None = None
    #: Everything ever answered, in order; only where it was asked for.
    trail: Sequence[Answer] = ()
    #: Question to its score.
    scores: Mapping[str, float] = field(default_factory=dict)


class Surveys(Protocol):
    """Questionnaires and the answers to them. `entry` is written in the same transaction."""

    async def list(self, viewer: Principal) -> Sequence[VersionRow]:
        """Of each questionnaire what is asked and the newest version."""

    async def versions(self, viewer: Principal, code: str) -> Sequence[QuestionnaireView]:
        """Every version with its history, the newest first. Raises QuestionnaireNotFound."""

    async def begin_draft(
        self,
        viewer: Principal,
        code: str,
        entry: Entry,
        *,
        body: Mapping[str, Any] | None = None,
        from_version: int | None = None,
    ) -> QuestionnaireView:
        """The next version to write: from a text, from an older version, or from the newest.

        Gives the draft there is already. Raises BadQuestionnaire, QuestionnaireNotFound.
        """

    async def save_draft(
        self, viewer: Principal, code: str, version: int, body: Mapping[str, Any], revision: int, entry: Entry
    ) -> QuestionnaireView:
        """Unfinished texts are kept, too. Raises QuestionnaireNotFound, QuestionnaireStep, QuestionnaireChanged,
        BadQuestionnaire (no text of a questionnaire at all)."""

    async def step(
        self,
        viewer: Principal,
        code: str,
        version: int,
        step: VersionStep,
        entry: Entry,
        *,
        revision: int | None = None,
        why: str = "",
    ) -> QuestionnaireView:
        """Raises QuestionnaireNotFound, QuestionnaireStep, QuestionnaireChanged, BadQuestionnaire."""

    def check(self, body: Mapping[str, Any]) -> Sequence[Fault]:
        """Where a text cannot work."""

    def play(
        self, body: Mapping[str, Any], values: Mapping[str, Any]
    ) -> tuple[Questionnaire, Mapping[str, Any]]:
        """What would be asked with these answers, and what they would come to; nothing is kept.

        Raises BadQuestionnaire, BadAnswer.
        """

    async def may_ask(self, viewer: Principal, purpose: Purpose | None) -> Sequence[VersionRow]:
        """Approved questionnaires, by code."""

    async def begin(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        questionnaire: str,
        customer_id: str | None,
        vehicle_id: str | None = None,
        contact_id: str | None = None,
        call_id: str | None = None,
        case_id: str | None = None,
        occasion: str = "",
        language: str | None = None,
    ) -> ResponseView:
        """By an agent; the one there is already for the same contact, case round, call or `occasion`.

        Raises QuestionnaireNotFound, CustomerNotFound, RecordClosed, VehicleNotFound, CaseNotFound.
        """

    async def response(
        self, viewer: Principal, response_id: str, entry: Entry, *, language: str | None = None
    ) -> ResponseView:
        """With everything ever answered. Raises ResponseNotFound."""

    async def responses_of(self, viewer: Principal, customer_id: str, entry: Entry) -> Sequence[ResponseView]:
        """A customer's, the newest first. Raises CustomerNotFound, RecordClosed."""

    async def answer(
        self,
        viewer: Principal,
        response_id: str,
        question: str,
        value: object,
        *,
        words: str,
        summary: str,
        based_on: int | None,
        entry: Entry,
    ) -> ResponseView:
        """Raises ResponseNotFound, ResponseOver, ResponseChanged, BadAnswer."""

    async def end(
        self,
        viewer: Principal,
        response_id: str,
        how: Literal["finish", "break_off", "decline"],
        *,
        why: str,
        summary: str,
        based_on: int | None,
        entry: Entry,
    ) -> ResponseView:
        """`how` is finish, break_off or decline. Raises ResponseNotFound, ResponseOver, ResponseIncomplete,
        ResponseChanged, BadAnswer."""


__all__ = ["Channel", "QuestionnaireView", "ResponseView", "Surveys"]

"""The printed 顾客投诉抱怨处理单: everything of a case on A4, to be signed and filed (M-132, feature 122)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from crm.cases.cases import Case, CaseEvent, CaseKind, Reached
from crm.cases.steps import ROADS, Road, Step
from web.pages.case_words import CaseWords
from web.pages.paper import Paper
from web.pages.rendering import span
from web.ports.case_desk import SoundReference
from web.ports.cases import CaseView

#: Roads of a case on which several people sign.
_SIGNED: Final = ("customer", "agent", "department", "manager", "general")


@dataclass(frozen=True, kw_only=True)
class Printing:
    """What a paper is made from."""

    view: CaseView
    words: CaseWords
    sounds: Sequence[SoundReference]
    house: str
    made_by: str
    now: datetime
    phone: str = ""


def print_case(printing: Printing) -> bytes:
    """The paper as PDF. Takes some tenths of a second: not for the event loop."""
    return _Form(printing).done()


class _Form:
    """The parts of the form, in the order of the paper."""

    def __init__(self, printing: Printing) -> None:
        self._given = printing
        self._words = words = printing.words
        self._case: Case = printing.view.case
        self._t = words.t
        made = words.t("cases.paper.made", at=words.moment(printing.now), name=printing.made_by)
        self._paper = Paper(
            title=words.t("cases.form"),
            house=printing.house,
            number=self._case.number,
            page_words=words.t("cases.paper.page", page="{page}", total="{total}"),
            made=made,
            language=words.language,
            made_at=printing.now,
        )

    def done(self) -> bytes:
        self._paper.head(self._t("cases.form"))
        self._registered()
        self._told()
        self._handled()
        for number in range(1, self._case.round + 1):
            self._round(number)
        self._effect()
        self._end()
        self._signatures()
        self._recordings()
        self._trail()
        if self._paper.missing:
            codes = " ".join(f"U+{ord(letter):04X}" for letter in sorted(self._paper.missing))
            self._paper.says(self._t("cases.paper.missing", codes=codes))
        return self._paper.done()

    def _row(self, *pairs: tuple[str, object]) -> None:
        self._paper.row([(self._t(f"cases.{name}"), _said(value)) for name, value in pairs])

    def _registered(self) -> None:
        case, t, words = self._case, self._t, self._words
        line = self._given.view.line
        self._paper.heading(t("cases.paper.part.case"))
        self._row(
            ("number", case.number),
            ("kind", t(f"cases.kind.{case.kind.value}")),
            ("grade", t(f"cases.grade.{case.grade.value}")),
        )
        state = words.state(case)
        if case.round > 1:
            state += f" · {t('cases.round', count=case.round)}"
        self._row(
            ("source", t(f"cases.source.{case.source.value}")),
            ("occurred", words.moment(case.occurred_at)),
            ("state", state),
        )
        self._row(("opened", words.moment(case.opened_at)), ("opened_by", case.opened_by_name))
        self._paper.heading(t("cases.paper.part.customer"))
        self._row(("customer", line.customer_name), ("phone", self._given.phone))
        self._row(("caller", case.caller_name), ("plate", line.plate))
        mileage = t("cases.km", value=f"{case.mileage:,}") if case.mileage is not None else ""
        self._row(("model", line.model), ("mileage", mileage))

    def _told(self) -> None:
        case, t = self._case, self._t
        self._paper.heading(t("cases.paper.part.said"))
        self._row(("subject", case.subject))
        self._row(("happened", case.happened), ("place", case.place))
        for name in ("symptom", "words", "summary", "wants"):
            self._paper.block(t(f"cases.{name}"), _said(getattr(case, name)))

    def _handled(self) -> None:
        case, words = self._case, self._words
        self._paper.heading(self._t("cases.paper.part.handling"))
        self._row(
            ("department", words.department(case.department)),
            ("departmental_person", case.departmental_person),
            ("handler", self._given.view.line.handler_name),
        )
        self._row(("consultant", case.consultant), ("advisor", case.advisor), ("technician", case.technician))
        self._row(
            ("promised", words.moment(case.promised_at)), ("answer_due", words.moment(case.answer_due_at))
        )
        self._row(
            ("answered", self._kept(case.answered_at, late=case.answer_late)),
            ("solve_due", words.moment(case.solve_due_at)),
        )
        self._row(("solved", self._kept(case.solved_at, late=case.solution_late)))

    def _kept(self, at: datetime | None, *, late: bool) -> str:
        words = self._words.moment(at)
        return f"{words} ({self._t('cases.was_late')})" if words and late else words

    def _round(self, number: int) -> None:
        t, words = self._t, self._words
        events = [one for one in self._given.view.events if one.round == number]
        if ROADS[self._case.kind] is Road.SHORT and not any(one.step == Step.REPLY for one in events):
            return
        self._paper.heading(t("cases.paper.part.round", count=number))
        replied = False
        for event in events:
            if event.step == Step.REPLY:
                replied = True
                self._reply(event)
            elif event.step == Step.RETURN_REPLY:
                self._paper.block(self._headline(event, "cases.paper.returned"), _said(event.words))
            elif event.step == Step.TELL_PLAN:
                self._paper.block(self._headline(event, "cases.paper.told"), self._verdict(event))
            elif event.step == Step.SECOND_VISIT:
                self._paper.block(self._headline(event, "cases.paper.visit"), self._verdict(event))
            elif event.step in (Step.CARRIED_OUT, Step.HAND_BACK, Step.DATE_REACHED):
                self._paper.block(self._headline(event, f"cases.done.{event.step}"), _said(event.words))
        if not replied:
            self._row(("reply", t("cases.paper.pending")))
        del words

    def _headline(self, event: CaseEvent, key: str) -> str:
        return " · ".join(filter(None, (self._t(key), self._words.moment(event.at), self._words.who(event))))

    def _verdict(self, event: CaseEvent) -> str:
        reached = event.data.get("reached")
        said = self._t(f"cases.reached.{reached}") if reached in set(Reached) else ""
        return "\n".join(filter(None, (said, event.words)))

    def _reply(self, event: CaseEvent) -> None:
        t, data = self._t, event.data
        responsibility = data.get("responsibility")
        self._row(("reply", self._headline(event, "cases.done.reply")))
        self._paper.block(t("cases.cause"), _said(data.get("cause")))
        self._row(
            ("responsibility", t(f"cases.responsibility.{responsibility}") if responsibility else ""),
            ("carry_out_on", _said(data.get("carry_out_on"))),
        )
        self._paper.block(t("cases.plan"), _said(data.get("plan")))
        if data.get("corrective_action"):
            self._paper.block(t("cases.corrective_action"), _said(data.get("corrective_action")))
        if event.words:
            self._paper.block(t("cases.note"), event.words)

    def _effect(self) -> None:
        case, t = self._case, self._t
        if not case.corrective_action:
            return
        self._paper.heading(t("cases.paper.part.effect"))
        self._paper.block(t("cases.corrective_action"), case.corrective_action)
        self._row(
            ("corrective_owner", case.corrective_owner),
            ("corrective_on", case.corrective_on),
            ("effect_on", case.effect_on),
        )
        effect = t(f"cases.effect.{case.effect.value}") if case.effect else ""
        self._row(("effect", " · ".join(filter(None, (effect, self._words.moment(case.effect_at))))))
        if case.effect_words:
            self._paper.block(t("cases.note"), case.effect_words)

    def _end(self) -> None:
        case, t, words = self._case, self._t, self._words
        self._paper.heading(t("cases.paper.part.end"))
        ending = t(f"cases.ended.{case.ending.value}") if case.ending else ""
        self._row(("ending", ending or words.state(case)), ("closed_at", words.moment(case.closed_at)))
        self._row(("closed_by", case.closed_by_name))
        if case.closing_words:
            self._paper.block(t("cases.closing"), case.closing_words)
        if case.withdrawn_at is not None:
            self._paper.block(
                t("cases.step.withdraw"), t("cases.withdrawn", at=words.moment(case.withdrawn_at))
            )
        if case.exception_at is not None:
            signed = t(
                "cases.exception_signed", name=case.exception_by_name, at=words.moment(case.exception_at)
            )
            self._paper.block(t("cases.paper.sign.exception"), f"{signed}\n{case.exception_reason}")

    def _signatures(self) -> None:
        case, t = self._case, self._t
        self._paper.heading(t("cases.paper.part.signatures"))
        date_word = t("cases.paper.sign.date")
        places = [t(f"cases.paper.sign.{name}") for name in _SIGNED]
        if case.kind not in (CaseKind.COMPLAINT, CaseKind.GRUMBLE):
            places = places[1:4]
        self._paper.signatures(places, date_word)
        if case.exception_at is not None:
            self._paper.space()
            said = f"{case.exception_by_name} {self._words.moment(case.exception_at)}"
            self._paper.signatures([t("cases.paper.sign.exception")], date_word, [said])

    def _recordings(self) -> None:
        t = self._t
        self._paper.heading(t("cases.paper.part.recordings"))
        if not self._given.sounds:
            self._paper.says(t("cases.paper.no_recordings"))
        for one in self._given.sounds:
            self._paper.row(
                [
                    (t("cases.paper.recording"), one.id),
                    (t("cases.paper.recording_at"), self._words.moment(one.started_at)),
                    (t("cases.paper.length"), span(one.seconds) or "0:00"),
                ]
            )
            mark = one.sha256 or t("cases.paper.gone" if one.gone else "cases.paper.unread")
            self._paper.row([(t("cases.paper.fingerprint"), mark)])

    def _trail(self) -> None:
        t, words = self._t, self._words
        self._paper.heading(t("cases.paper.part.trail"))
        for event in self._given.view.events:
            state = words.state_word(event.to_state, event.round)
            what = " · ".join(filter(None, (f"{event.seq}. {words.done(event)}", words.who(event), state)))
            details = [f"{name}{t('reports.colon')}{value}" for name, value in words.details(event)]
            if event.by_id:
                details.append(f"ID {event.by_id}")
            self._paper.entry(words.moment(event.at), what, [event.words, *details])
        if not self._given.view.events:
            self._paper.says(t("cases.paper.none"))


def _said(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return str(value) if value not in (None, "") else "—"

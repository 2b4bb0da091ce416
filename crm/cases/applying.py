"""A step taken: the case as it is afterwards, and what its event says. Pure; the store keeps both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from access.sentences import Sentence
from crm.cases.cases import (
    GRADES,
    LONGEST_NAME,
    LONGEST_SUBJECT,
    LONGEST_WORDS,
    BadCase,
    By,
    Case,
    CaseState,
    Ending,
    Reached,
    StepForbidden,
    check_text,
)
from crm.cases.deadlines import settled, with_allowance, with_stage
from crm.cases.rules import Rules
from crm.cases.steps import CHANGEABLE, ROADS, Given, Road, Step, next_state, require
from telephony.hours import WorkingTime

#: Steps that want a word of why.
WITH_WORDS: Final = frozenset(
    {Step.HAND_BACK, Step.RETURN_REPLY, Step.WITHDRAW, Step.EXCEPTION, Step.ANSWER, Step.NOTE, Step.EFFECT}
)
#: Fields that are short; the others hold whole paragraphs.
_LONGEST: Final[Mapping[str, int]] = {
    "subject": LONGEST_SUBJECT,
    "happened": LONGEST_SUBJECT,
    "place": LONGEST_SUBJECT,
    **dict.fromkeys(
        ("caller_name", "departmental_person", "consultant", "advisor", "technician"), LONGEST_NAME
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who takes a step."""

    by: By
    id: str | None = None
    name: str = ""
    link_id: str | None = None


HOUSE: Final = Actor(by=By.HOUSE)


def apply(
    case: Case,
    step: Step,
    given: Given,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    hours: WorkingTime,
) -> tuple[Case, dict[str, Any]]:
    """The case after a step, and the data of its event. `version` and `events` are the store's to raise.

    Raises StepNotAllowed, StepForbidden, BadCase.
    """
    require(case, step)
    words = check_text(given.words, "words", needed=_wants_words(step, given))
    after, data = _taken(case, step, given, words, actor, now, rules, hours.date_of(now))
    state = next_state(case, step, given.reached)
    dissatisfied = step is Step.SECOND_VISIT and given.reached is Reached.DISSATISFIED
    if dissatisfied:
        after = _next_round(after, now)
    after = replace(after, state=state)
    if state is CaseState.CLOSED and case.state is not CaseState.CLOSED:
        after = replace(
            after,
            closed_at=now,
            closed_by_name=actor.name,
            closing_words=words,
            answer_late=after.answer_late or _late(after.answer_due_at, after.answered_at, now),
            solution_late=after.solution_late or _late(after.solve_due_at, after.solved_at, now),
        )
        if after.corrective_action and after.effect_on is None:
            day = hours.date_of(now + timedelta(days=rules.effect_days))
            after = replace(after, effect_on=day)
    moved = state is not case.state or dissatisfied or step is Step.ASSIGN
    if moved or step is Step.SECOND_VISIT:
        after = with_stage(after, rules, hours, now)
    if moved or step in (Step.CLASSIFY, Step.CHANGE):
        after = with_allowance(after, rules, hours)
    if step is Step.CLASSIFY and ROADS[after.kind] is not ROADS[case.kind]:
        after = with_stage(after, rules, hours, now)
    return settled(after), data


def _wants_words(step: Step, given: Given) -> bool:
    if step is Step.SECOND_VISIT:
        return given.reached is Reached.DISSATISFIED
    return step in WITH_WORDS or (step is Step.TELL_PLAN and given.reached is Reached.REFUSED)


def _late(due: datetime | None, done: datetime | None, now: datetime) -> bool:
    return due is not None and (done or now) > due


def _next_round(case: Case, now: datetime) -> Case:
    """The department's manager arranges the handling again; what was promised and signed was for the last round."""
    return replace(
        case,
        round=case.round + 1,
        round_at=now,
        promised_at=None,
        answered_at=None,
        solved_at=None,
        plan="",
        carry_out_on=None,
        replied_at=None,
        replied_by_name="",
        tell_tries=0,
        refusals=0,
        visit_tries=0,
        verdict=None,
        exception_by=None,
        exception_by_name="",
        exception_at=None,
        exception_reason="",
    )


def _taken(
    case: Case, step: Step, given: Given, words: str, actor: Actor, now: datetime, rules: Rules, today: date
) -> tuple[Case, dict[str, Any]]:
    """The case with what the step says, its state left alone; and the data of the event."""
    match step:
        case Step.ASSIGN:
            return _assigned(case, given, rules, now)
        case Step.HAND_BACK:
            return replace(case, department=None, departmental_person=""), {"department": case.department}
        case Step.REPLY:
            return _replied(case, given, actor, now, today)
        case Step.TELL_PLAN | Step.SECOND_VISIT:
            return _reached(case, step, given, now)
        case Step.CARRIED_OUT | Step.DATE_REACHED:
            late = case.solution_late or _late(case.solve_due_at, now, now)
            return replace(case, solved_at=now, solution_late=late, visit_tries=0), {}
        case Step.WITHDRAW:
            return replace(case, withdrawn_at=now), {}
        case Step.EXCEPTION:
            return _signed(case, words, actor, now)
        case Step.CLOSE:
            satisfied = case.state is CaseState.SECOND_VISIT and case.verdict is Reached.SATISFIED
            ending = Ending.SATISFIED if satisfied else Ending.EXCEPTION
            return replace(case, ending=ending), {"ending": ending.value}
        case Step.ANSWER:
            late = case.answer_late or _late(case.answer_due_at, case.answered_at, now)
            done = replace(
                case,
                ending=Ending.ANSWERED,
                answer_late=late,
                answered_at=case.answered_at or now,
                solved_at=case.solved_at or now,
            )
            return done, {"ending": Ending.ANSWERED.value}
        case Step.CLASSIFY:
            return _classified(case, given)
        case Step.CHANGE:
            return _changed(case, given.fields, now)
        case Step.ANALYSE:
            return _analysed(case, given)
        case Step.TIE:
            if not given.other_id or given.other_id == case.id or given.tie not in ("repeat", "duplicate"):
                raise BadCase("Name another case to tie this one to. Nothing was changed.", field="other_id")
            field = "repeat_of" if given.tie == "repeat" else "duplicate_of"
            before = getattr(case, field)
            tied: dict[str, Any] = {field: given.other_id}
            return replace(case, **tied), {field: [before, given.other_id]}
        case Step.URGE:
            return replace(case, urges=case.urges + 1, urged_at=now), {"urges": case.urges + 1}
        case Step.EFFECT:
            if given.effect is None:
                raise BadCase("Say whether it helped. Nothing was changed.", field="effect")
            done = replace(case, effect=given.effect, effect_words=words, effect_at=now)
            return done, {"effect": given.effect.value}
    return case, {}


def _assigned(case: Case, given: Given, rules: Rules, now: datetime) -> tuple[Case, dict[str, Any]]:
    department = given.department or ""
    if department not in rules.departments:
        raise BadCase(
            Sentence(
                "There is no department '{given}'; there are {departments}. Nothing was changed.",
                given=department[:32],
                departments=sorted(rules.departments),
            ),
            field="department",
        )
    person = case.departmental_person if given.departmental_person is None else given.departmental_person
    promised = case.promised_at
    if given.promised_at is not None:
        promised = _promise(given.promised_at, now)
    done = replace(
        case,
        department=department,
        handler_id=given.handler_id or case.handler_id,
        departmental_person=check_text(person, "departmental_person", longest=LONGEST_NAME),
        promised_at=promised,
    )
    data: dict[str, Any] = {"department": department, "handler_id": done.handler_id}
    if done.departmental_person:
        data["departmental_person"] = done.departmental_person
    if given.promised_at is not None:
        data["promised_at"] = given.promised_at.isoformat()
    return done, data


def _promise(moment: datetime, now: datetime) -> datetime:
    if moment <= now:
        raise BadCase(
            "The promised answer time has passed already; promise a later one. Nothing was changed.",
            field="promised_at",
        )
    return moment


def _replied(
    case: Case, given: Given, actor: Actor, now: datetime, today: date
) -> tuple[Case, dict[str, Any]]:
    cause = check_text(given.cause or "", "cause", needed=True)
    plan = check_text(given.plan or "", "plan", needed=True)
    if given.responsibility is None:
        raise BadCase("Say whose responsibility it is. Nothing was changed.", field="responsibility")
    if given.carry_out_on is None:
        raise BadCase("Say by when the plan is carried out. Nothing was changed.", field="carry_out_on")
    if given.carry_out_on < today:
        raise BadCase(
            "The plan's day lies in the past. Nothing was changed.",
            field="carry_out_on",
        )
    action = check_text(given.corrective_action or "", "corrective_action")
    owner = check_text(given.corrective_owner or "", "corrective_owner", longest=LONGEST_NAME)
    done = replace(
        case,
        cause=cause,
        responsibility=given.responsibility,
        plan=plan,
        carry_out_on=given.carry_out_on,
        corrective_action=action or case.corrective_action,
        corrective_owner=owner or case.corrective_owner,
        corrective_on=given.corrective_on or case.corrective_on,
        replied_at=now,
        replied_by_name=actor.name,
        tell_tries=0,
    )
    data: dict[str, Any] = {
        "cause": cause,
        "responsibility": given.responsibility.value,
        "plan": plan,
        "carry_out_on": given.carry_out_on.isoformat(),
    }
    if action:
        data |= {
            "corrective_action": action,
            "corrective_owner": owner,
            "corrective_on": given.corrective_on.isoformat() if given.corrective_on else None,
        }
    return done, data


def _reached(case: Case, step: Step, given: Given, now: datetime) -> tuple[Case, dict[str, Any]]:
    told = step is Step.TELL_PLAN
    possible = (
        (Reached.AGREED, Reached.REFUSED, Reached.UNREACHABLE)
        if told
        else (Reached.SATISFIED, Reached.DISSATISFIED, Reached.UNREACHABLE)
    )
    if given.reached not in possible:
        raise BadCase("Say what came of the talk with the customer. Nothing was changed.", field="reached")
    data: dict[str, Any] = {"reached": given.reached.value}
    if given.call_id:
        data["call_id"] = given.call_id
    if given.reached is Reached.UNREACHABLE:
        if not told and case.verdict is Reached.SATISFIED:
            raise BadCase(
                "The customer has said already that he is satisfied. Nothing was changed.", field="reached"
            )
        tries = (case.tell_tries if told else case.visit_tries) + 1
        data["try"] = tries
        return (replace(case, tell_tries=tries) if told else replace(case, visit_tries=tries)), data
    if told:
        done = replace(
            case,
            answered_at=case.answered_at or now,
            answer_late=case.answer_late or _late(case.answer_due_at, case.answered_at, now),
            refusals=case.refusals + (given.reached is Reached.REFUSED),
        )
        return done, data
    return replace(case, verdict=given.reached, visited_at=now), data


def _signed(case: Case, words: str, actor: Actor, now: datetime) -> tuple[Case, dict[str, Any]]:
    if actor.by is not By.USER or actor.id is None:
        raise StepForbidden("An exception is signed by a person who is signed in. Nothing was changed.")
    if actor.id == case.handler_id:
        raise StepForbidden(
            "Who is in charge of a case cannot sign its exception; another manager has to. Nothing was changed."
        )
    done = replace(
        case,
        exception_by=actor.id,
        exception_by_name=actor.name,
        exception_at=now,
        exception_reason=words,
    )
    return done, {}


def _classified(case: Case, given: Given) -> tuple[Case, dict[str, Any]]:
    kind, grade = given.kind or case.kind, given.grade or case.grade
    if (kind, grade) == (case.kind, case.grade):
        raise BadCase("Kind and grade are these already. Nothing was changed.", field="grade")
    if ROADS[case.kind] is Road.FULL and ROADS[kind] is Road.SHORT:
        raise BadCase(
            "A complaint or grumble stays one: it closes with a satisfied customer or a signed exception. "
            "Nothing was changed.",
            field="kind",
        )
    data: dict[str, Any] = {}
    if kind is not case.kind:
        data["kind"] = [case.kind.value, kind.value]
    if grade is not case.grade:
        data["grade"] = [case.grade.value, grade.value]
    return replace(case, kind=kind, grade=grade), data


def lowers(case: Case, given: Given) -> bool:
    """Whether a classification makes the case less grave."""
    return given.grade is not None and GRADES.index(given.grade) < GRADES.index(case.grade)


def _changed(case: Case, fields: Mapping[str, Any], now: datetime) -> tuple[Case, dict[str, Any]]:
    changes: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in CHANGEABLE:
            raise BadCase(
                Sentence("{field}: this cannot be changed. Nothing was changed.", field=name), field=name
            )
        if isinstance(value, str) and name not in ("customer_id", "vehicle_id", "phone"):
            value = check_text(
                value, name, longest=_LONGEST.get(name, LONGEST_WORDS), needed=name == "subject"
            )
        if name == "promised_at" and value is not None and value != case.promised_at:
            value = _promise(value, now)
        if getattr(case, name) != value:
            changes[name] = value
    if not changes:
        raise BadCase("Everything is so already. Nothing was changed.")
    data = {name: [_plain(getattr(case, name)), _plain(value)] for name, value in changes.items()}
    return replace(case, **changes), data


def _analysed(case: Case, given: Given) -> tuple[Case, dict[str, Any]]:
    changes: dict[str, Any] = {}
    for name, longest in (
        ("cause", LONGEST_WORDS),
        ("corrective_action", LONGEST_WORDS),
        ("corrective_owner", LONGEST_NAME),
    ):
        value = getattr(given, name)
        if value is not None:
            changes[name] = check_text(value, name, longest=longest)
    for name in ("responsibility", "corrective_on", "effect_on"):
        if (value := getattr(given, name)) is not None:
            changes[name] = value
    changes = {name: value for name, value in changes.items() if getattr(case, name) != value}
    if not changes:
        raise BadCase("Everything is so already. Nothing was changed.")
    data = {name: [_plain(getattr(case, name)), _plain(value)] for name, value in changes.items()}
    return replace(case, **changes), data


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)

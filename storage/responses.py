"""Responses: begun once per contact, link or call, answered one by one, ended in one transaction with what follows.

Answers are only ever added; the newest of a question counts. What ends a response (finished, broken off) opens
the case of a dissatisfied customer with it, so that an interrupted talk loses no complaint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from access.ids import new_id
from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.appointments.appointments import AppointmentState, Work
from crm.cases.cases import CaseNotFound, CaseSource, CaseState, NewCase, Reached, StepNotAllowed
from crm.cases.steps import Given, Step
from crm.hooks.events import Event
from crm.records.changes import HOUSE, author
from crm.records.customers import BadRecord, VehicleNotFound
from crm.surveys.answers import plain_number, read_answer, tidy_words
from crm.surveys.branching import counted, missing, path
from crm.surveys.questionnaires import Channel, Purpose, Question, QuestionKind, Questionnaire
from crm.surveys.responses import (
    Answer,
    BadAnswer,
    QuestionnaireNotFound,
    Response,
    ResponseChanged,
    ResponseIncomplete,
    ResponseNotFound,
    ResponseOver,
    ResponseState,
)
from crm.surveys.scoring import score_of
from crm.surveys.verdicts import Verdict, is_dissatisfied, judge
from storage.cases import actor_of, get_case, open_case, rules_of
from storage.cases import take_step as take_case_step
from storage.customers import get_customer
from storage.definitions import inserting
from storage.merging import current_id
from storage.outgoing import announce
from storage.questionnaires import approved, questionnaire_of
from storage.tables.appointments import appointments
from storage.tables.cases import cases
from storage.tables.links import links
from storage.tables.surveys import (
    response_answers,
    response_events,
    response_scores,
    responses,
    survey_offers,
)
from storage.vehicles import MOST_KILOMETRES, change_vehicle, get_vehicle
from telephony.hours import WorkingTime

#: Ids in one question.
_SHARE: Final = 500
#: What may be done with a response in a state.
_STEPS: Final[Mapping[ResponseState, tuple[str, ...]]] = {
    ResponseState.BEGUN: ("answer", "finish", "break_off", "decline"),
    ResponseState.BROKEN_OFF: ("answer", "finish", "decline"),
    ResponseState.FINISHED: (),
    ResponseState.DECLINED: (),
}
#: An appointment longer ago is not what a customer is asked about.
_SERVED_WITHIN: Final = timedelta(days=60)
#: Which work a purpose asks about; others ask about any.
_WORKS: Final[Mapping[Purpose, tuple[Work, ...]]] = {
    Purpose.DELIVERY_VISIT: (Work.DELIVERY,),
    Purpose.SERVICE_VISIT: (Work.MAINTENANCE, Work.REPAIR, Work.BODYWORK),
}


# -- reading ------------------------------------------------------------------------------------------


def get_response(connection: Connection, response_id: str) -> Response:
    """A response with its answers. Raises ResponseNotFound."""
    return _get(connection, response_id)


def _get(connection: Connection, response_id: str, *, lock: bool = False) -> Response:
    statement = select(responses).where(responses.c.id == response_id)
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise ResponseNotFound("There is no such response.")
    return response_from(row, answers_of(connection, [response_id]).get(response_id, {}))


def answers_of(connection: Connection, ids: Collection[str]) -> dict[str, dict[str, Answer]]:
    """Of each response the newest answer to every question."""
    found: dict[str, dict[str, Answer]] = {}
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _SHARE):
        rows = connection.execute(
            select(response_answers)
            .where(response_answers.c.response_id.in_(wanted[start : start + _SHARE]))
            .order_by(response_answers.c.response_id, response_answers.c.seq)
        ).mappings()
        for row in rows:
            found.setdefault(row["response_id"], {})[row["question"]] = _answer(row)
    return found


def every_answer(connection: Connection, response_id: str) -> list[Answer]:
    """All that was ever answered, in order: what was corrected, too."""
    rows = connection.execute(
        select(response_answers)
        .where(response_answers.c.response_id == response_id)
        .order_by(response_answers.c.seq)
        .limit(2000)
    ).mappings()
    return [_answer(row) for row in rows]


def _answer(row: RowMapping) -> Answer:
    value = row["body"].get("value")
    return Answer(
        question=row["question"],
        value=tuple(value) if isinstance(value, list) else value,
        words=row["words"],
        summary=row["summary"],
        seq=row["seq"],
        channel=Channel(row["channel"]),
        by=row["by"],
        by_name=row["by_name"],
        at=row["at"],
    )


def response_from(row: RowMapping, answers: Mapping[str, Answer]) -> Response:
    """The value of a row of `responses`."""
    values = {name: row[name] for name in _NAMES}
    return Response(
        **values,
        purpose=Purpose(row["purpose"]),
        channel=Channel(row["channel"]),
        state=ResponseState(row["state"]),
        answers=answers,
    )


_NAMES: Final = tuple(
    column.name
    for column in responses.columns
    if column.name not in ("purpose", "channel", "state", "occasion")
)


def responses_of_customer(connection: Connection, customer_id: str, *, limit: int = 50) -> list[Response]:
    """A customer's responses with their answers, the newest first."""
    rows = (
        connection.execute(
            select(responses)
            .where(responses.c.customer_id == customer_id)
            .order_by(responses.c.begun_at.desc(), responses.c.id.desc())
            .limit(limit)
        )
        .mappings()
        .all()
    )
    answers = answers_of(connection, [row["id"] for row in rows])
    return [response_from(row, answers.get(row["id"], {})) for row in rows]


# -- beginning ----------------------------------------------------------------------------------------


def begin_response(
    connection: Connection,
    *,
    questionnaire: str,
    version: int | None = None,
    channel: Channel,
    customer_id: str | None,
    vehicle_id: str | None = None,
    contact_id: str | None = None,
    call_id: str | None = None,
    case_id: str | None = None,
    occasion: str = "",
    advisor: str = "",
    now: datetime,
    by: Principal | None,
) -> Response:
    """A response, or the one that the same case round, contact or call began already, or the same `occasion`
    (a link, a request) where there is none of them.

    One that was broken off is taken up again with the version it has. Raises QuestionnaireNotFound where nothing
    approved can be asked (or not by this channel), CustomerNotFound, VehicleNotFound, CaseNotFound.
    """
    once = _occasion(connection, questionnaire, contact_id, case_id, call_id) or occasion[:80]
    if once and (known := _of_occasion(connection, once)) is not None:
        return _taken_up(connection, known, channel=channel, by=by, now=now)
    asked, number = approved(connection, questionnaire, version)
    if channel not in asked.channels:
        raise QuestionnaireNotFound(
            "This questionnaire is not made to be asked this way; its page says by which ways it is asked."
        )
    customer = None
    if customer_id is not None:
        customer = get_customer(connection, current_id(connection, customer_id))
    vehicle = get_vehicle(connection, vehicle_id) if vehicle_id is not None else None
    response_id = new_id(now)
    row = inserting(connection, responses).values(
        id=response_id,
        questionnaire=asked.code,
        version=number,
        purpose=asked.purpose.value,
        channel=channel.value,
        state=ResponseState.BEGUN.value,
        rev=1,
        customer_id=customer.id if customer is not None else None,
        vehicle_id=vehicle_id,
        contact_id=contact_id,
        call_id=call_id,
        case_id=case_id,
        occasion=once or None,
        begun_at=now,
        begun_by=by.user_id if by is not None else None,
        begun_by_name=by.name[:64] if by is not None else "",
        touched_at=now,
        ended_by_name="",
        why="",
        summary="",
        dissatisfied=False,
        advisor=(advisor or _who_served(connection, asked.purpose, vehicle_id, now))[:64],
        model=vehicle.model if vehicle is not None else "",
    )
    added = connection.execute(row.on_conflict_do_nothing().returning(responses.c.id)).scalar_one_or_none()
    if added is None:  # the same occasion at the same moment
        known = _of_occasion(connection, once)
        if known is None:
            raise ResponseNotFound("There is no such response.")
        return _taken_up(connection, known, channel=channel, by=by, now=now)
    _event(connection, response_id, 1, ResponseState.BEGUN, channel=channel, by=by, why="", now=now)
    return _get(connection, response_id)


def _who_served(connection: Connection, purpose: Purpose, vehicle_id: str | None, now: datetime) -> str:
    """The advisor of the vehicle's latest appointment that was kept, as far as it is about what is asked."""
    if vehicle_id is None:
        return ""
    wanted = select(appointments.c.advisor).where(
        appointments.c.vehicle_id == vehicle_id,
        appointments.c.starts_at <= now,
        appointments.c.starts_at > now - _SERVED_WITHIN,
        appointments.c.state.in_((AppointmentState.ARRIVED.value, AppointmentState.DONE.value)),
    )
    if purpose in _WORKS:
        wanted = wanted.where(appointments.c.work.in_([one.value for one in _WORKS[purpose]]))
    return connection.execute(wanted.order_by(appointments.c.starts_at.desc()).limit(1)).scalar() or ""


def _occasion(
    connection: Connection,
    questionnaire: str,
    contact_id: str | None,
    case_id: str | None,
    call_id: str | None,
) -> str:
    if case_id is not None:
        return f"case:{case_id}:{get_case(connection, case_id).round}:{questionnaire}"[:80]
    if contact_id is not None:
        return f"contact:{contact_id}:{questionnaire}"[:80]
    if call_id is not None:
        return f"call:{call_id}:{questionnaire}"[:80]
    return ""


def of_contact(connection: Connection, contact_id: str, questionnaire: str) -> Response | None:
    """The response of a contact to a questionnaire, whoever began it."""
    known = _of_occasion(connection, _occasion(connection, questionnaire, contact_id, None, None))
    return None if known is None else _get(connection, known)


def _of_occasion(connection: Connection, occasion: str) -> str | None:
    return connection.execute(
        select(responses.c.id).where(responses.c.occasion == occasion)
    ).scalar_one_or_none()


def _taken_up(
    connection: Connection, response_id: str, *, channel: Channel, by: Principal | None, now: datetime
) -> Response:
    known = _get(connection, response_id, lock=True)
    if known.state is not ResponseState.BROKEN_OFF:
        return known
    return _go_on(connection, known, channel=channel, by=by, now=now)


def _go_on(
    connection: Connection, known: Response, *, channel: Channel, by: Principal | None, now: datetime
) -> Response:
    """A broken off response is being answered again; it keeps its version."""
    rev = known.rev + 1
    connection.execute(
        update(responses)
        .where(responses.c.id == known.id)
        .values(
            state=ResponseState.BEGUN.value,
            rev=rev,
            touched_at=now,
            ended_at=None,
            ended_by_name="",
            why="",
        )
    )
    _event(connection, known.id, rev, ResponseState.BEGUN, channel=channel, by=by, why="", now=now)
    return replace(
        known,
        state=ResponseState.BEGUN,
        rev=rev,
        touched_at=now,
        ended_at=None,
        ended_by_name="",
        why="",
    )


def _event(
    connection: Connection,
    response_id: str,
    seq: int,
    state: ResponseState,
    *,
    channel: Channel,
    by: Principal | None,
    why: str,
    now: datetime,
) -> None:
    connection.execute(
        insert(response_events).values(
            response_id=response_id,
            seq=seq,
            at=now,
            to_state=state.value,
            channel=channel.value,
            by=by.user_id if by is not None else None,
            by_name=by.name[:64] if by is not None else "",
            why=why,
        )
    )


# -- answering ----------------------------------------------------------------------------------------


def answer(
    connection: Connection,
    response_id: str,
    question: str,
    value: object,
    *,
    words: str = "",
    summary: str = "",
    based_on: int | None = None,
    channel: Channel,
    by: Principal | None,
    now: datetime,
) -> Response:
    """Keep one answer; None passes over. The same answer again changes nothing.

    `based_on` is the `rev` the page has: where the question was answered elsewhere since, ResponseChanged is
    raised with that answer. Answers to different questions never collide. Raises ResponseNotFound, ResponseOver,
    BadAnswer.
    """
    before = _get(connection, response_id, lock=True)
    asked = questionnaire_of(connection, before.questionnaire, before.version)
    about = asked.question(question)
    if about is None:
        raise BadAnswer("The questionnaire has no such question. Nothing was saved.", question=question[:32])
    kept = read_answer(about, value)
    words, summary = tidy_words(words, question), tidy_words(summary, question)
    last = before.answers.get(question)
    if last is not None and (last.value, last.words, last.summary) == (kept, words, summary):
        return before
    _require(before, "answer")
    if question not in path(asked, before.values).codes:
        raise BadAnswer(
            "With the answers given so far this question is not asked. Nothing was saved.", question=question
        )
    if based_on is not None and last is not None and last.seq > based_on:
        raise ResponseChanged(
            Sentence(
                "{who} has answered this question meanwhile. Nothing of yours was saved; look at it again.",
                who=last.by_name or _customer(last.channel),
            ),
            question=question,
            version=before.rev,
            theirs=shown_answer(last),
        )
    if before.state is ResponseState.BROKEN_OFF:
        before = _go_on(connection, before, channel=channel, by=by, now=now)
    made = Answer(
        question=question,
        value=kept,
        words=words,
        summary=summary,
        seq=before.rev + 1,
        channel=channel,
        by=by.user_id if by is not None else None,
        by_name=by.name[:64] if by is not None else "",
        at=now,
    )
    connection.execute(
        insert(response_answers).values(
            response_id=response_id,
            seq=made.seq,
            question=question,
            body={"value": list(kept) if isinstance(kept, tuple) else kept},
            words=words,
            summary=summary,
            channel=channel.value,
            by=made.by,
            by_name=made.by_name,
            at=now,
        )
    )
    connection.execute(
        update(responses).where(responses.c.id == response_id).values(rev=made.seq, touched_at=now)
    )
    after = replace(before, rev=made.seq, touched_at=now, answers={**before.answers, question: made})
    note_urgency(connection, after, asked)
    return after


def note_urgency(connection: Connection, response: Response, asked: Questionnaire) -> None:
    """Keep whether what was answered by link so far opens a case: it is not left lying as long as the link."""
    urgent = judge(asked, response.values, complete=False).case is not None
    connection.execute(
        update(survey_offers)
        .where(survey_offers.c.response_id == response.id, survey_offers.c.urgent.is_not(urgent))
        .values(urgent=urgent)
    )


def shown_answer(answer: Answer) -> dict[str, Any]:
    """An answer as plain JSON."""
    return {
        "question": answer.question,
        "value": list(answer.value) if isinstance(answer.value, tuple) else answer.value,
        "words": answer.words,
        "summary": answer.summary,
        "seq": answer.seq,
        "channel": answer.channel.value,
        "by_name": answer.by_name,
        "at": answer.at.isoformat() if answer.at is not None else None,
    }


def _customer(channel: Channel) -> Mapping[str, str]:
    if channel is Channel.AGENT:
        return SOMEBODY
    return {"en": "The customer", "zh-CN": "客户"}


def steps_of(response: Response) -> tuple[str, ...]:
    """What may be done with it now."""
    return _STEPS[response.state]


def _require(response: Response, step: str) -> None:
    steps = _STEPS[response.state]
    if step in steps:
        return
    if response.state is ResponseState.DECLINED:
        raise ResponseOver(
            "The customer declined to be asked; this response is over. Nothing was changed.",
            state=response.state.value,
            allowed_steps=steps,
        )
    raise ResponseOver(
        "This response is over; nothing can be changed in it any more. Nothing was saved.",
        state=response.state.value,
        allowed_steps=steps,
    )


# -- ending -------------------------------------------------------------------------------------------


def finish(
    connection: Connection,
    response_id: str,
    *,
    summary: str = "",
    based_on: int | None = None,
    channel: Channel,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> Response:
    """All was asked. Finishing again gives the finished one.

    Raises ResponseNotFound, ResponseOver, ResponseChanged, ResponseIncomplete, BadAnswer.
    """
    before = _get(connection, response_id, lock=True)
    if before.state is ResponseState.FINISHED:
        return before
    _require(before, "finish")
    asked = questionnaire_of(connection, before.questionnaire, before.version)
    newer = [one for one in before.answers.values() if based_on is not None and one.seq > based_on]
    if newer:
        last = max(newer, key=lambda one: one.seq)
        raise ResponseChanged(
            Sentence(
                "{who} has answered questions meanwhile. Nothing was finished; look at them first.",
                who=last.by_name or _customer(last.channel),
            ),
            question=last.question,
            version=before.rev,
            theirs=shown_answer(last),
        )
    lacking = missing(asked, before.values)
    if lacking:
        raise ResponseIncomplete(
            Sentence(
                "Questions that must be answered are open: {count}. Nothing was finished.", count=len(lacking)
            ),
            missing=lacking,
        )
    return _end(
        connection,
        before,
        asked,
        ResponseState.FINISHED,
        why="",
        summary=summary,
        channel=channel,
        by=by,
        now=now,
        hours=hours,
    )


def break_off(
    connection: Connection,
    response_id: str,
    *,
    why: str,
    summary: str = "",
    channel: Channel,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> Response:
    """The talk ended before the questions. What was answered counts; a dissatisfied answer opens its case.

    Breaking off again changes nothing. Raises ResponseNotFound, ResponseOver, BadAnswer.
    """
    before = _get(connection, response_id, lock=True)
    if before.state is ResponseState.BROKEN_OFF:
        return before
    _require(before, "break_off")
    asked = questionnaire_of(connection, before.questionnaire, before.version)
    return _end(
        connection,
        before,
        asked,
        ResponseState.BROKEN_OFF,
        why=why,
        summary=summary,
        channel=channel,
        by=by,
        now=now,
        hours=hours,
    )


def decline(
    connection: Connection,
    response_id: str,
    *,
    why: str,
    channel: Channel,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> Response:
    """The customer does not want to be asked. What he said before counts all the same.

    Raises ResponseNotFound, ResponseOver, BadAnswer.
    """
    before = _get(connection, response_id, lock=True)
    if before.state is ResponseState.DECLINED:
        return before
    _require(before, "decline")
    asked = questionnaire_of(connection, before.questionnaire, before.version)
    return _end(
        connection,
        before,
        asked,
        ResponseState.DECLINED,
        why=why,
        summary="",
        channel=channel,
        by=by,
        now=now,
        hours=hours,
    )


def idle(
    connection: Connection, before: Mapping[Channel, datetime], now: datetime, *, limit: int = 50
) -> list[tuple[str, Channel]]:
    """Responses begun and left lying: last touched before the moment of their channel, the oldest first.

    One begun by link waits for the customer as long as the link lives, unless its answers open a case.
    """
    may_come_back = (
        select(survey_offers.c.id)
        .join(links, links.c.id == survey_offers.c.link_id)
        .where(
            survey_offers.c.response_id == responses.c.id,
            survey_offers.c.urgent.is_(False),
            links.c.revoked_at.is_(None),
            links.c.expires_at > now,
        )
        .exists()
    )
    rows = connection.execute(
        select(responses.c.id, responses.c.channel, responses.c.touched_at)
        .where(
            responses.c.state == ResponseState.BEGUN.value,
            responses.c.touched_at < max(before.values()),
            ~((responses.c.channel == Channel.WEB.value) & may_come_back),
        )
        .order_by(responses.c.touched_at)
        .limit(limit * 10)
    )
    late = [(row.id, Channel(row.channel)) for row in rows if row.touched_at < before[Channel(row.channel)]]
    return late[:limit]


def _end(
    connection: Connection,
    before: Response,
    asked: Questionnaire,
    state: ResponseState,
    *,
    why: str,
    summary: str,
    channel: Channel,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> Response:
    why, summary = tidy_words(why, ""), tidy_words(summary, "") or before.summary
    complete = state is ResponseState.FINISHED
    verdict = judge(asked, before.values, complete=complete)
    after = replace(
        before,
        state=state,
        rev=before.rev + 1,
        touched_at=now,
        ended_at=now,
        ended_by_name=by.name[:64] if by is not None else "",
        why=why,
        summary=summary,
        total=verdict.total,
        dissatisfied=verdict.dissatisfied,
    )
    case_id = _to_case(connection, after, asked, verdict, by=by, now=now, hours=hours)
    after = replace(after, opened_case_id=case_id or before.opened_case_id)
    connection.execute(
        update(responses)
        .where(responses.c.id == before.id)
        .values(
            state=after.state.value,
            rev=after.rev,
            touched_at=now,
            ended_at=now,
            ended_by_name=after.ended_by_name,
            why=why,
            summary=summary,
            total=after.total,
            dissatisfied=after.dissatisfied,
            opened_case_id=after.opened_case_id,
        )
    )
    _event(connection, before.id, after.rev, state, channel=channel, by=by, why=why, now=now)
    _keep_scores(connection, after, asked, now)
    _tell_vehicle(connection, after, asked, by=by, now=now, hours=hours)
    if complete:
        announce(connection, Event.SURVEY_FINISHED, f"response:{after.id}", response_data(after), at=now)
    return after


def response_data(response: Response) -> dict[str, object]:
    """What other systems are told of a finished response; the answers are asked for by the API."""
    return {
        "response_id": response.id,
        "questionnaire": response.questionnaire,
        "version": response.version,
        "purpose": response.purpose.value,
        "channel": response.channel.value,
        "state": response.state.value,
        "customer_id": response.customer_id,
        "vehicle_id": response.vehicle_id,
        "contact_id": response.contact_id,
        "call_id": response.call_id,
        "case_id": response.case_id,
        "opened_case_id": response.opened_case_id,
        "total": response.total,
        "dissatisfied": response.dissatisfied,
    }


def _keep_scores(connection: Connection, response: Response, asked: Questionnaire, now: datetime) -> None:
    """The answers that count, as results read them."""
    connection.execute(delete(response_scores).where(response_scores.c.response_id == response.id))
    rows = []
    for code, value in counted(asked, response.values).items():
        question = asked.question(code)
        if question is not None:
            rows.append(
                {
                    "response_id": response.id,
                    "question": code,
                    "questionnaire": response.questionnaire,
                    "at": now,
                    "score": score_of(question, value),
                    "dissatisfied": is_dissatisfied(question, value),
                    "body": {"value": list(value) if isinstance(value, tuple) else value},
                }
            )
    if rows:
        connection.execute(insert(response_scores), rows)


def _tell_vehicle(
    connection: Connection,
    response: Response,
    asked: Questionnaire,
    *,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> None:
    """The reading the customer told is the vehicle's, unless a higher or later one is known."""
    told = _odometer(response, asked)
    if told is None or response.vehicle_id is None:
        return
    mileage, at = told
    try:
        vehicle = get_vehicle(connection, response.vehicle_id)
        day = hours.date_of(at)
        older = vehicle.mileage_on is not None and vehicle.mileage_on > day
        if not 0 <= mileage <= MOST_KILOMETRES or mileage < (vehicle.mileage or 0) or older:
            return
        change_vehicle(
            connection,
            vehicle.id,
            now,
            by=author(by) if by is not None else HOUSE,
            why=_say(asked.label, rules_of(connection).language),
            mileage=mileage,
            mileage_on=day,
        )
    except (VehicleNotFound, BadRecord):
        return


def _odometer(response: Response, asked: Questionnaire) -> tuple[int, datetime] | None:
    for code, value in counted(asked, response.values).items():
        question, given = asked.question(code), response.answers[code]
        if question is not None and question.odometer and isinstance(value, int) and given.at is not None:
            return value, given.at
    return None


# -- cases --------------------------------------------------------------------------------------------


def _to_case(
    connection: Connection,
    response: Response,
    asked: Questionnaire,
    verdict: Verdict,
    *,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> str | None:
    """What the answers mean for a case: the verdict of a second visit, a new case, or a note in the one there is."""
    about = None
    if response.case_id is not None:
        try:
            about = get_case(connection, response.case_id)
        except CaseNotFound:
            about = None
    if about is not None and about.state is not CaseState.CLOSED:
        if response.answers:
            _second_visit(connection, response, asked, verdict, by=by, now=now, hours=hours)
        return None
    if response.opened_case_id is not None:
        _note_case(connection, response.opened_case_id, response, asked, by=by, now=now, hours=hours)
        return None
    if verdict.case is None:
        return None
    department = verdict.case.department
    language = rules_of(connection).language
    told = _odometer(response, asked)
    new = NewCase(
        kind=verdict.case.kind,
        grade=verdict.case.grade,
        source=CaseSource.SURVEY,
        subject=_subject(asked, verdict, language),
        words=_verbatim(asked, response)[:4000],
        summary=_told(asked, response, language)[:4000],
        occurred_at=now,
        customer_id=response.customer_id,
        vehicle_id=response.vehicle_id,
        mileage=told[0] if told is not None else None,
        call_id=response.call_id,
        response_id=response.id,
        department=department if department in rules_of(connection).departments else None,
        advisor=response.advisor,
        occasion=f"response:{response.id}",
        repeat_of=about.id if about is not None else None,
    )
    case, _new = open_case(connection, new, by=by, now=now, hours=hours)
    return case.id


def _second_visit(
    connection: Connection,
    response: Response,
    asked: Questionnaire,
    verdict: Verdict,
    *,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> None:
    """A whole talk is the verdict of the case's second visit; anything else is noted in the case."""
    case_id = response.case_id or ""
    words = _told(asked, response, rules_of(connection).language)[:4000]
    if asked.purpose is Purpose.SECOND_VISIT and response.state is ResponseState.FINISHED:
        given = Given(
            words=words,
            reached=Reached.DISSATISFIED if verdict.dissatisfied else Reached.SATISFIED,
            call_id=response.call_id,
        )
        try:
            take_case_step(
                connection,
                case_id,
                Step.SECOND_VISIT,
                given,
                actor=actor_of(by),
                now=now,
                hours=hours,
            )
        except StepNotAllowed:
            pass
        else:
            return
    _note_case(connection, case_id, response, asked, by=by, now=now, hours=hours)


def _note_case(
    connection: Connection,
    case_id: str,
    response: Response,
    asked: Questionnaire,
    *,
    by: Principal | None,
    now: datetime,
    hours: WorkingTime,
) -> None:
    words = _told(asked, response, rules_of(connection).language)[:4000]
    there = connection.execute(select(func.count()).where(cases.c.id == case_id)).scalar_one()
    if words and there:
        given = Given(words=words, call_id=response.call_id)
        take_case_step(connection, case_id, Step.NOTE, given, actor=actor_of(by), now=now, hours=hours)


def _subject(asked: Questionnaire, verdict: Verdict, language: str) -> str:
    label = _say(asked.label, language)
    first = asked.question(verdict.questions[0]) if verdict.questions else None
    joint = "：" if language == "zh-CN" else ": "
    return (f"{label}{joint}{_say(first.text, language)}" if first is not None else label)[:200]


def _told(asked: Questionnaire, response: Response, language: str) -> str:
    """The answers that count, a line each, and what the agent makes of them."""
    lines = []
    values = counted(asked, response.values)
    for question in asked.questions:
        if question.code not in values or question.kind is QuestionKind.TEXT:
            continue
        said = answer_text(question, values[question.code], language)
        note = response.answers[question.code].summary
        if note:
            note = f"（{note}）" if language == "zh-CN" else f" ({note})"
        lines.append(f"{_say(question.text, language)} {said}{note}")
    if response.summary:
        lines.append(response.summary)
    return "\n".join(lines)


def _verbatim(asked: Questionnaire, response: Response) -> str:
    """What the customer said in his own words."""
    values = counted(asked, response.values)
    lines: list[str] = []
    for question in asked.questions:
        if question.code not in values:
            continue
        if question.kind is QuestionKind.TEXT:
            lines.append(str(values[question.code]))
        if words := response.answers[question.code].words:
            lines.append(words)
    return "\n".join(lines)


def answer_text(question: Question, value: Any, language: str) -> str:
    """An answer as a person reads it."""
    if value is None:
        return ""
    if question.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL):
        codes: Iterable[Any] = value if isinstance(value, tuple | list) else (value,)
        chosen = [question.option(str(code)) for code in codes]
        joint = "、" if language == "zh-CN" else ", "
        return joint.join(_say(one.label, language) for one in chosen if one is not None)
    if question.kind is QuestionKind.SCORE and question.most is not None:
        return f"{plain_number(value)}/{plain_number(question.most)}"
    if question.kind is QuestionKind.NUMBER:
        unit = _say(question.unit, language)
        return f"{value:,} {unit}".strip()
    return str(value)


def _say(said: Mapping[Any, str], language: str) -> str:
    return said.get(language) or next(iter(said.values()), "")

"""Tasks that calls make and close, and opt-outs, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import pytest
from sqlalchemy import Connection, func, select

from crm.consent.optouts import Channel, OptOutSource, Purpose
from crm.options import TaskOptions
from crm.tasks.tasks import Caller, Task, TaskKind, TaskNotFound, TaskState, TaskTaken
from storage import customers, optouts, tasks
from storage.call_tasks import CallTasks
from storage.database import Database
from storage.tables.access import users
from storage.tables.calls import calls
from storage.tables.tasks import tasks as task_table
from telephony.calls import Call, CallId, CallState, Direction, Outcome
from telephony.clock import Clock
from telephony.facts import Fact, FactKind, Source
from telephony.hours import WorkingTime
from telephony.options import CalendarOptions

NUMBER = "+8613800000001"
MINUTE = timedelta(minutes=1)
HOURS = WorkingTime.from_options(CalendarOptions())
REACTION = CallTasks(HOURS, TaskOptions(), promise=timedelta(minutes=30))


def ended(call_id: str, at: datetime, outcome: Outcome, number: str | None = NUMBER, **more: object) -> Call:
    call = Call(
        id=CallId(call_id),
        linkedid=call_id,
        system="careline",
        direction=Direction.INBOUND,
        state=CallState.ENDED,
        started_at=at,
        ended_at=at + MINUTE,
        number=number,
        raw_number=number or "",
        queue="service",
        outcome=outcome,
    )
    return replace(call, **more)  # type: ignore[arg-type]


def talk(call_id: str, at: datetime, direction: Direction, number: str = NUMBER) -> Call:
    return ended(
        call_id,
        at,
        Outcome.ANSWERED,
        number,
        direction=direction,
        connected_at=at + timedelta(seconds=20),
        talk_seconds=40.0,
    )


def fact(kind: FactKind, at: datetime, **data: object) -> Fact:
    return Fact(
        source=Source.SERVICE, key=f"{kind} {at}", kind=kind, at=at, linkedid="1", uniqueid="1", data=data
    )


def react(database: Database, call: Call, *facts: Fact) -> None:
    database.write_now(lambda connection: REACTION.react_to_call(connection, None, call, facts))


def all_tasks(database: Database) -> list[Task]:
    return database.read_now(
        lambda connection: tasks.list_tasks(connection, state="all", user_id="", limit=200)
    )


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.ABANDONED, TaskKind.MISSED_CALL),
        (Outcome.VOICEMAIL, TaskKind.VOICEMAIL),
        (Outcome.CALLBACK, TaskKind.CALLBACK),
        (Outcome.NO_ANSWER, TaskKind.MISSED_CALL),
        (Outcome.INTERRUPTED, TaskKind.MISSED_CALL),
        (Outcome.LEFT_IN_MENU, None),
        (Outcome.SELF_SERVED, None),
        (Outcome.REFUSED, None),
    ],
)
def test_an_unserved_caller_is_one_task(
    database: Database, clock: Clock, outcome: Outcome, kind: TaskKind | None
) -> None:
    call = ended("a", clock.now(), outcome)
    for _told_again in range(3):
        react(database, call)
    found = all_tasks(database)
    assert [(task.kind, task.calls, task.number) for task in found] == (
        [] if kind is None else [(kind, 1, NUMBER)]
    )


def test_leaving_the_menu_after_hours_is_a_missed_call(database: Database, clock: Clock) -> None:
    evening = clock.now() + timedelta(hours=10)
    react(database, ended("a", evening, Outcome.LEFT_IN_MENU))
    (task,) = all_tasks(database)
    assert task.kind is TaskKind.MISSED_CALL
    assert task.due_at == HOURS.add_working(evening + MINUTE, timedelta(minutes=30))


def test_several_calls_of_one_number_are_one_task(database: Database, clock: Clock) -> None:
    at = clock.now()
    react(database, ended("a", at, Outcome.ABANDONED))
    react(database, ended("b", at + 5 * MINUTE, Outcome.ABANDONED))
    react(
        database,
        ended("c", at + 9 * MINUTE, Outcome.CALLBACK),
        fact(
            FactKind.CALLBACK_ASKED,
            at + 9 * MINUTE,
            number=NUMBER,
            promised_by=(at + 20 * MINUTE).isoformat(),
        ),
    )
    (task,) = all_tasks(database)
    assert (task.kind, task.calls, task.call_id, task.last_call_id) == (TaskKind.CALLBACK, 3, "a", "c")
    assert task.promised_by == at + 20 * MINUTE
    assert task.due_at == at + 20 * MINUTE
    react(database, ended("d", at, Outcome.ABANDONED, "+8613800000002"))
    assert len(all_tasks(database)) == 2


def test_writers_at_the_same_time_make_one_task(database: Database, clock: Clock) -> None:
    at = clock.now()
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda n: react(database, ended(f"call{n}", at + n * MINUTE, Outcome.ABANDONED)), range(12)
            )
        )
    (task,) = all_tasks(database)
    assert task.calls == 12
    assert task.last_at == at + 12 * MINUTE


@pytest.mark.parametrize(
    ("direction", "result"),
    [(Direction.OUTBOUND, "called_back"), (Direction.INBOUND, "called_again")],
)
def test_a_talk_closes_the_task(database: Database, clock: Clock, direction: Direction, result: str) -> None:
    at = clock.now()
    react(database, ended("a", at, Outcome.ABANDONED))
    react(database, talk("early", at - 5 * MINUTE, direction))
    assert all_tasks(database)[0].state is TaskState.OPEN
    react(database, talk("other", at + 5 * MINUTE, direction, "+8613800000009"))
    assert all_tasks(database)[0].state is TaskState.OPEN
    react(database, talk("b", at + 5 * MINUTE, direction))
    (task,) = all_tasks(database)
    assert (task.state, task.result, task.closed_by) == (TaskState.DONE, result, "call:b")
    # Told again, the old call opens nothing; a new one does.
    react(database, ended("a", at, Outcome.ABANDONED))
    assert len(all_tasks(database)) == 1
    react(database, ended("c", at + 30 * MINUTE, Outcome.ABANDONED))
    assert [task.state for task in all_tasks(database)] == [TaskState.OPEN, TaskState.DONE]


def test_a_wish_is_a_task_before_the_call_ends_and_an_answer_settles_it(
    database: Database, clock: Clock
) -> None:
    at = clock.now()
    going_on = replace(ended("a", at, Outcome.ABANDONED), state=CallState.QUEUED, outcome=None, ended_at=None)
    react(database, going_on, fact(FactKind.CALLBACK_ASKED, at + timedelta(seconds=5), number="13800000001"))
    (task,) = all_tasks(database)
    assert (task.kind, task.number, task.state) == (TaskKind.CALLBACK, NUMBER, TaskState.OPEN)
    react(database, talk("a", at, Direction.INBOUND))
    (task,) = all_tasks(database)
    assert (task.state, task.result) == (TaskState.DONE, "called_again")


def test_a_missed_call_that_is_heard_of_late_is_settled_by_the_talk_since(
    database: Database, clock: Clock
) -> None:
    """The service was away: the talk was logged first, the missed call before it comes from the files."""
    at = clock.now()
    call = talk("b", at + 10 * MINUTE, Direction.OUTBOUND)
    row = {field.name: getattr(call, field.name) for field in fields(call)}
    database.write_now(lambda connection: connection.execute(calls.insert().values(**row)))
    react(database, ended("a", at, Outcome.ABANDONED, origin="recovered"))
    (task,) = all_tasks(database)
    assert (task.state, task.result, task.closed_by) == (TaskState.DONE, "called_back", "call:b")
    react(database, ended("c", at + 30 * MINUTE, Outcome.ABANDONED))
    assert all_tasks(database)[0].state is TaskState.OPEN


def test_late_evidence_takes_a_missed_call_back(database: Database, clock: Clock) -> None:
    at = clock.now()
    react(database, ended("a", at, Outcome.INTERRUPTED))
    react(database, talk("a", at, Direction.INBOUND))
    (task,) = all_tasks(database)
    assert (task.state, task.result) == (TaskState.CANCELLED, "answered_after_all")


def test_hidden_and_unreadable_callers(database: Database, clock: Clock) -> None:
    """R37: who cannot be called back makes no missed call, but a voicemail is heard all the same."""
    at = clock.now()
    react(database, ended("a", at, Outcome.ABANDONED, None, raw_number="anonymous"))
    assert all_tasks(database) == []
    react(database, ended("b", at, Outcome.VOICEMAIL, None, raw_number="anonymous"))
    react(database, ended("c", at + MINUTE, Outcome.ABANDONED, None, raw_number="1380000000"))
    assert [(task.kind, task.subject) for task in all_tasks(database)] == [
        (TaskKind.MISSED_CALL, "1380000000"),
        (TaskKind.VOICEMAIL, "anonymous"),
    ]
    react(
        database,
        ended("d", at + 5 * MINUTE, Outcome.CALLBACK),
        fact(FactKind.CALLBACK_ASKED, at + 5 * MINUTE, number="9" * 60, promised_by="no moment"),
    )
    assert all_tasks(database)[0].subject == "9" * 60


def test_the_task_goes_to_the_customers_own_agent(database: Database, clock: Clock) -> None:
    at = clock.now()

    def prepare(connection: Connection) -> str:
        _user(connection, "U1", at)
        return customers.add_customer(connection, name="李雷", now=at, own_agent_id="U1").id

    customer_id = database.write_now(prepare)
    react(database, ended("a", at, Outcome.ABANDONED, customer_id=customer_id))
    react(database, ended("b", at, Outcome.ABANDONED, "+8613800000002", customer_id="NOBODY"))
    by_call = {task.call_id: task for task in all_tasks(database)}
    assert (by_call["a"].customer_id, by_call["a"].owner_id) == (customer_id, "U1")
    assert (by_call["b"].customer_id, by_call["b"].owner_id) == (None, None)


def _user(connection: Connection, user_id: str, at: datetime) -> None:
    connection.execute(
        users.insert().values(
            id=user_id,
            login=user_id.lower(),
            name=user_id,
            role="agent",
            language="en",
            theme="auto",
            password_hash="x",
            password_changed_at=at,
            active=True,
            created_at=at,
        )
    )


def test_claims_take_turns(database: Database, clock: Clock) -> None:
    at = clock.now()
    for n in range(6):
        database.write_now(partial(_user, user_id=f"U{n}", at=at))
    task, new = database.write_now(
        lambda connection: tasks.add_task(
            connection, kind=TaskKind.OTHER, occasion="x", now=at, due_at=at, subject="s"
        )
    )
    assert new
    assert not database.write_now(
        lambda connection: tasks.add_task(connection, kind=TaskKind.OTHER, occasion="x", now=at, due_at=at)
    )[1]

    def claim(user: str) -> str:
        try:
            database.write_now(lambda connection: tasks.claim_task(connection, task.id, user))
        except TaskTaken as error:
            return error.holder
        return user

    with ThreadPoolExecutor(6) as threads:
        holders = set(threads.map(claim, [f"U{n}" for n in range(6)]))
    assert len(holders) == 1
    (holder,) = holders
    other = next(f"U{n}" for n in range(6) if f"U{n}" != holder)
    with pytest.raises(TaskTaken):
        database.write_now(lambda connection: tasks.close_task(connection, task.id, other, "done", at))
    with pytest.raises(TaskTaken):
        database.write_now(lambda connection: tasks.release_task(connection, task.id, other))
    closed = database.write_now(lambda connection: tasks.close_task(connection, task.id, holder, "done", at))
    assert (closed.state, closed.closed_by, closed.result) == (TaskState.DONE, holder, "done")
    with pytest.raises(TaskTaken) as taken:
        database.write_now(lambda connection: tasks.claim_task(connection, task.id, holder))
    assert taken.value.holder == ""
    with pytest.raises(TaskNotFound):
        database.write_now(lambda connection: tasks.claim_task(connection, "nothing", holder))


def test_pages_of_tasks_come_in_order_and_whole(database: Database, clock: Clock) -> None:
    at = clock.now()

    def prepare(connection: Connection) -> None:
        for n in range(25):
            task, _new = tasks.add_task(
                connection,
                kind=TaskKind.OTHER,
                occasion=f"x{n}",
                now=at + timedelta(seconds=n),
                due_at=at + (n % 5) * MINUTE,
            )
            if n % 3 == 0:
                tasks.close_task(connection, task.id, "U", "r", at + n * MINUTE)

    database.write_now(prepare)
    _walk(database, "open", 16)
    _walk(database, "closed", 9)
    _walk(database, "all", 25)


def _walk(database: Database, state: Literal["open", "closed", "all"], expected: int) -> None:
    def key(task: Task) -> tuple[datetime, str]:
        moment = {"open": task.due_at, "closed": task.closed_at, "all": task.created_at}[state]
        assert moment is not None
        return moment, task.id

    def page(after: tuple[datetime, str] | None) -> list[Task]:
        return database.read_now(
            lambda connection: tasks.list_tasks(connection, state=state, user_id="U", after=after, limit=7)
        )

    seen = page(None)
    while further := page(key(seen[-1])):
        seen += further
    assert len(seen) == expected
    assert [key(task) for task in seen] == sorted(map(key, seen), reverse=state != "open")


def test_a_callback_asked_for_twice_keeps_its_first_promise(database: Database, clock: Clock) -> None:
    at = clock.now()

    def ask(connection: Connection, now: datetime, number: str = "13800000001") -> Task | None:
        return REACTION.ask_callback(connection, call_id="a", number=number, now=now, queue="service")

    assert database.write_now(lambda connection: ask(connection, at, "1380000")) is None
    first = database.write_now(lambda connection: ask(connection, at))
    assert first is not None
    again = database.write_now(lambda connection: ask(connection, at + MINUTE))
    assert first == again
    assert first.promised_by == at + 30 * MINUTE
    react(database, ended("a", at, Outcome.CALLBACK), fact(FactKind.CALLBACK_ASKED, at, number=NUMBER))
    assert all_tasks(database) == [first]


def test_a_failing_transaction_leaves_no_task(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> None:
        tasks.note_caller(
            connection,
            Caller(kind=TaskKind.CALLBACK, call_id="a", at=clock.now(), due_at=clock.now(), number=NUMBER),
        )
        raise RuntimeError("the call could not be stored")

    with pytest.raises(RuntimeError):
        database.write_now(work)
    assert (
        database.read_now(
            lambda connection: connection.execute(select(func.count()).select_from(task_table)).scalar()
        )
        == 0
    )


def test_opt_outs_hold_once_and_can_be_withdrawn(database: Database, clock: Clock) -> None:
    at = clock.now()

    def say(connection: Connection) -> bool:
        return optouts.opt_out(
            connection,
            number=NUMBER,
            purpose=Purpose.ADVERTISING,
            at=at,
            source=OptOutSource.AGENT,
            proof="asked on the phone",
        )

    def refused(connection: Connection) -> bool:
        found = optouts.refusal(
            connection, NUMBER, Purpose.ADVERTISING, Channel.TEXT, at + 2 * MINUTE, key=b"k"
        )
        return found is not None

    assert database.write_now(say)
    assert not database.write_now(say)
    assert database.read_now(refused)
    assert database.write_now(
        lambda connection: optouts.withdraw(
            connection,
            number=NUMBER,
            purpose=Purpose.ADVERTISING,
            channel=Channel.ALL,
            at=at + MINUTE,
            proof="signed form 7",
            key=b"k",
        )
    )
    assert not database.read_now(refused)
    assert database.write_now(say)
    assert database.read_now(refused)
    assert len(database.read_now(lambda connection: optouts.optouts_of(connection, NUMBER))) == 2


def test_a_key_pressed_in_the_menu_opts_out(database: Database, clock: Clock) -> None:
    at = clock.now()
    call = ended("a", at, Outcome.SELF_SERVED)
    pressed = fact(FactKind.OPTED_OUT, at, number=NUMBER, purpose="visits")
    for _told_again in range(2):
        database.write_now(lambda connection: optouts.react_to_call(connection, None, call, [pressed]))
    (found,) = database.read_now(lambda connection: optouts.optouts_of(connection, NUMBER))
    assert (found.purpose, found.source, found.proof) == (
        Purpose.VISITS,
        OptOutSource.HOTLINE_KEY,
        "call a",
    )

"""Lists of a long call log and of recordings, and suspicions: what hardly occurs is found by an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from effort import effort_of
from sqlalchemy import Connection, insert

from access.permissions import Role
from access.users import Principal, Via
from storage import call_lists, duplicates, listening
from storage.database import Database
from storage.tables.aftercall import recording_marks
from storage.tables.calls import calls
from storage.tables.merging import duplicate_pairs
from storage.tables.records import customers
from storage.tables.telephony import recordings
from telephony.call_lists import CallFilter, CallScope, CallSort
from telephony.calls import Direction, Outcome
from telephony.listening import SoundFilter

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
CALLS = 4_000
AGENTS = 20
#: Of so many calls one is recorded.
RECORDED = 4
#: Several times less than walking the log takes.
MOST_STEPS, MOST_PAGES = 12_000, 1_500
MANAGER = Principal(role=Role.MANAGER, via=Via.SESSION, name="经理", user_id="M1")
AGENT = Principal(role=Role.AGENT, via=Via.SESSION, name="坐席", user_id="AGENT3")
#: Calls unlike all others: long ago, so that a walk from either end would be long too.
ODD = CALLS // 2


def _id(n: int) -> str:
    return f"{n:026d}"


def _row(n: int) -> dict[str, Any]:
    at = NOW - timedelta(minutes=n)
    odd = n == ODD
    return {
        "id": _id(n),
        "linkedid": f"l{n}",
        "system": "careline",
        "direction": "internal" if odd else "inbound",
        "state": "ended",
        "started_at": at,
        "answered_at": at,
        "ended_at": at,
        "number": f"+86139{n:08d}",
        "queue": "rare" if odd else "service",
        # Every tenth caller gave up, and nobody had taken the call.
        "agent_id": None if n % 10 == 9 else f"AGENT{n % AGENTS}",
        "outcome": "failed" if odd else "abandoned" if n % 10 == 9 else "answered",
    }


def _recording(n: int) -> dict[str, Any]:
    at = NOW - timedelta(minutes=n) + timedelta(seconds=5)
    named = {"id": f"{n:032d}", "call_id": _id(n), "file": f"r{n}.wav"}
    return {**named, "started_at": at, "ended_at": at, "seconds": 30.0, "state": "kept"}


@pytest.fixture
def long_log(database: Database) -> Database:
    """Four thousand calls that are over, every fourth recorded, and three that go on."""
    going_on = {"ended_at": None, "state": "queued", "outcome": None, "agent_id": None}

    def fill(connection: Connection) -> None:
        connection.execute(insert(calls), [_row(n) for n in range(CALLS)])
        open_ = [{**_row(CALLS + n), **going_on, "queue": "rare"} for n in range(3)]
        connection.execute(insert(calls), open_)
        connection.execute(insert(recordings), [_recording(n) for n in range(0, CALLS, RECORDED)])
        connection.execute(insert(recordings), [{**_recording(CALLS), "state": "running", "ended_at": None}])

    database.write_now(fill)
    if not database.is_sqlite:
        database.write_now(lambda connection: connection.exec_driver_sql("ANALYZE"))
    return database


#: By which index, where a name of a case begins so: on a log this short PostgreSQL may also hash some of it.
INDEXES = {
    "outcome": "ix_calls_outcome_started_at",
    "no such outcome": "ix_calls_outcome_started_at",
    "queue": "ix_calls_queue_started_at",
    "no such queue": "ix_calls_queue_started_at",
    "direction": "ix_calls_direction_started_at",
    "no such direction": "ix_calls_direction_started_at",
    "number": "ix_calls_number_started_at",
    "own": "ix_calls_agent_id_started_at",
}


def _held(database: Database, name: str, ask: Callable[[Connection], object]) -> None:
    effort = effort_of(database, ask, {"calls", "recordings", "duplicate_pairs"})
    print(f"{name}: {effort}")
    most = MOST_STEPS if database.is_sqlite else MOST_PAGES
    assert effort.work <= most, (name, effort)
    assert INDEXES.get(name, "") in "\n".join(effort.plans), (name, effort)


def test_calls_that_are_few_are_found_without_walking_the_log(long_log: Database) -> None:
    odd, open_ = [_id(ODD)], [_id(CALLS + n) for n in range(3)]
    for name, viewer, wanted, found in (
        ("outcome", MANAGER, CallFilter(outcome=Outcome.FAILED), odd),
        ("no such outcome", MANAGER, CallFilter(outcome=Outcome.VOICEMAIL), []),
        ("queue", MANAGER, CallFilter(queue="rare"), odd + open_),
        ("queue, over", MANAGER, CallFilter(queue="rare", scope=CallScope.ENDED), odd),
        ("queue, open", MANAGER, CallFilter(queue="rare", scope=CallScope.OPEN), open_),
        ("no such queue", MANAGER, CallFilter(queue="nobody"), []),
        ("direction", MANAGER, CallFilter(direction=Direction.INTERNAL), odd),
        ("no such direction", MANAGER, CallFilter(direction=Direction.OUTBOUND), []),
        ("all of it", MANAGER, CallFilter(queue="rare", outcome=Outcome.FAILED), odd),
        ("open", MANAGER, CallFilter(scope=CallScope.OPEN), open_),
        ("an agent's open", AGENT, CallFilter(scope=CallScope.OPEN), open_),
        ("an agent's queue", AGENT, CallFilter(queue="rare"), open_),
    ):
        ask = partial(
            call_lists.list_calls, viewer=viewer, wanted=wanted, sort=CallSort.NEWEST, cursor=None, limit=50
        )
        assert [one.id for one in long_log.read_now(ask).items] == found, name
        _held(long_log, name, ask)
    _pages_of_a_queue_go_on_behind_those_that_are_open(long_log)


def _pages_of_a_queue_go_on_behind_those_that_are_open(long_log: Database) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        ask = partial(
            call_lists.list_calls,
            viewer=MANAGER,
            wanted=CallFilter(queue="rare"),
            sort=CallSort.OLDEST,
            cursor=cursor,
            limit=1,
        )
        page = long_log.read_now(ask)
        seen += [one.id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [_id(CALLS + n) for n in (2, 1, 0)] + [_id(ODD)]


def test_recordings_that_are_few_are_found_by_their_calls(long_log: Database) -> None:
    own = [f"{n:032d}" for n in range(3, CALLS, AGENTS) if n % RECORDED == 0]
    assert not own, "agent 3 is in calls nobody recorded"
    eighth = [f"{n:032d}" for n in range(8, CALLS, AGENTS)]
    going_on = f"{CALLS:032d}"
    for name, viewer, wanted, found in (
        ("own", AGENT, SoundFilter(), []),
        ("agent", MANAGER, SoundFilter(agent_id="AGENT8"), eighth[:50]),
        ("queue", MANAGER, SoundFilter(queue="rare"), [f"{ODD:032d}", going_on]),
        ("no such queue", MANAGER, SoundFilter(queue="nobody"), []),
        ("number", MANAGER, SoundFilter(number=f"+86139{8:08d}"), eighth[:1]),
        ("common queue", MANAGER, SoundFilter(queue="service"), [f"{n * 4:032d}" for n in range(50)]),
        ("all", MANAGER, SoundFilter(), [f"{n * 4:032d}" for n in range(50)]),
    ):
        ask = partial(
            listening.list_recordings, viewer=viewer, hears="own", wanted=wanted, after=None, limit=50
        )
        assert [one.id for one in long_log.read_now(ask).items] == found, name
        _held(long_log, name, ask)
    _marked_recordings_are_found_by_their_marks(long_log)
    _pages_of_an_agents_recordings_give_each_once(long_log)


def _marked_recordings_are_found_by_their_marks(long_log: Database) -> None:
    mark = {"id": _id(1), "recording_id": f"{8:032d}", "at": NOW, "by": "M1", "by_name": "经理"}
    long_log.write_now(lambda c: c.execute(insert(recording_marks).values(**mark, offset=1.0, note="x")))
    eighth = replace(AGENT, user_id="AGENT8")
    for name, viewer, wanted, found in (
        ("all", MANAGER, SoundFilter(marked=True), [f"{8:032d}"]),
        ("agent", MANAGER, SoundFilter(marked=True, agent_id="AGENT8"), [f"{8:032d}"]),
        ("another agent", MANAGER, SoundFilter(marked=True, agent_id="AGENT4"), []),
        ("one's own", eighth, SoundFilter(marked=True), [f"{8:032d}"]),
        ("another's", AGENT, SoundFilter(marked=True), []),
    ):
        ask = partial(
            listening.list_recordings, viewer=viewer, hears="own", wanted=wanted, after=None, limit=50
        )
        assert [one.id for one in long_log.read_now(ask).items] == found, name
        _held(long_log, name, ask)


def _pages_of_an_agents_recordings_give_each_once(long_log: Database) -> None:
    seen: list[str] = []
    after: tuple[datetime, str] | None = None
    while True:
        page = long_log.read_now(
            partial(
                listening.list_recordings,
                viewer=MANAGER,
                hears="own",
                wanted=SoundFilter(agent_id="AGENT8"),
                after=after,
                limit=100,
            )
        )
        seen += [one.id for one in page.items]
        if page.next is None:
            break
        at, _, last = page.next.partition("~")
        after = datetime.fromisoformat(at), last
    assert seen == [f"{n:032d}" for n in range(8, CALLS, AGENTS)]


def test_suspected_pairs_are_counted_to_a_thousand(database: Database) -> None:
    def fill(connection: Connection) -> None:
        person = {"name": "王", "name_key": "王", "kind": "person", "honorific": "none", "key_account": False}
        moments = {"note": "", "created_at": NOW, "updated_at": NOW}
        connection.execute(
            insert(customers),
            [{"id": _id(n), "number": f"C{n}", **person, **moments} for n in range(60)],
        )
        pairs = [(one, other) for one in range(60) for other in range(one + 1, 60)]
        connection.execute(
            insert(duplicate_pairs),
            [
                {
                    "one_id": _id(one),
                    "other_id": _id(other),
                    "score": 50,
                    "reasons": [],
                    "state": "different" if place < 770 else "suspected",
                    "found_at": NOW,
                }
                for place, (one, other) in enumerate(pairs)
            ],
        )

    database.write_now(fill)
    assert database.read_now(duplicates.count_pairs) == (1000, False)
    database.write_now(
        lambda c: c.execute(
            duplicate_pairs.update().where(duplicate_pairs.c.one_id == _id(0)).values(state="suspected")
        )
    )
    assert database.read_now(duplicates.count_pairs) == (1000, True)

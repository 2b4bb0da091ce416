"""Two records made one and back: nothing lost, everything found again, on both databases (R34)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, func, insert, select

from access.permissions import Role as UserRole
from access.users import Principal, Via
from config.duplicate_ticks import DuplicateTicks
from crm.groups.groups import GroupKind
from crm.records.changes import Author, RecordChanged
from crm.records.customers import BadRecord, Honorific
from crm.records.merging import MergeRefused, RecordMerged, Side, UndoRefused
from crm.records.vehicles import Role
from crm.tasks.tasks import TaskKind
from storage import calls as call_log
from storage import customers, duplicates, groups, matching, merge_rows, merging, tasks, vehicles
from storage.database import Database
from storage.tables import metadata
from storage.tables.groups import group_members
from storage.tables.records import contacts, phone_numbers, record_changes
from storage.tables.records import customers as customer_table
from storage.tables.telephony import voicemails
from telephony.calls import Call, CallId, CallState, Direction
from telephony.facts import Fact, FactKind
from telephony.numbers import E164

BY = Author(name="Supervisor Wu")
WU = Principal(role=UserRole.SUPERVISOR, via=Via.COMMAND, name="Supervisor Wu")
SHARED, OLD, NEW = E164("+8613800000001"), E164("+8613800000002"), E164("+8613800000003")


class LiveBoard:
    """A journal without calls."""

    def live_calls(self) -> list[Call]:
        return []

    def record_soon(self, *facts: Fact) -> None:
        raise AssertionError(facts)


#: What a merge and its undo may leave behind them.
_TRACES = {"merges", "merge_moves", "duplicate_marks", "duplicate_pairs", "call_facts", "search_terms"}


def call_of(clock: FrozenClock, name: str, customer_id: str, **values: Any) -> Call:
    call = Call(
        id=CallId(name),
        linkedid=f"{name}.1",
        system="careline",
        direction=Direction.INBOUND,
        state=CallState.ENDED,
        started_at=clock.now() - timedelta(days=3),
        ended_at=clock.now() - timedelta(days=3),
        number=OLD,
        customer_id=customer_id,
        explained="number",
    )
    return replace(call, **values)


@pytest.fixture
def pair(database: Database, clock: FrozenClock) -> dict[str, str]:
    """张伟 twice: each with numbers, vehicles, calls, tasks, a group and a voicemail; some of it shared."""

    def work(connection: Connection) -> dict[str, str]:
        now = clock.now()
        a = customers.add_customer(connection, name="张伟", now=now, note="喜欢喝茶")
        b = customers.add_customer(
            connection,
            name="张先生",
            now=now,
            honorific=Honorific.MR,
            key_account=True,
            note="下午联系",
            address="上海市",
        )
        customers.add_contact(connection, a.id, SHARED, now, primary=True)
        customers.add_contact(connection, b.id, SHARED, now)
        customers.end_contact(connection, a.id, SHARED, now)
        customers.add_contact(connection, a.id, NEW, now, primary=True)
        customers.add_contact(connection, b.id, OLD, now, primary=True)
        one = vehicles.add_vehicle(connection, now=now, plate="沪A12345", vin="LFV2A21K8B3000001")
        two = vehicles.add_vehicle(connection, now=now, plate="沪B12345")
        vehicles.add_person(connection, one.id, a.id, Role.OWNER, now)
        vehicles.add_person(connection, one.id, b.id, Role.OWNER, now)
        vehicles.add_person(connection, two.id, b.id, Role.DRIVER, now)
        call_log.save(
            connection, [(None, call_of(clock, "CALLA", a.id)), (None, call_of(clock, "CALLB", b.id))]
        )
        tasks.add_task(
            connection,
            kind=TaskKind.CALLBACK,
            occasion="x",
            now=now,
            due_at=now,
            number=OLD,
            customer_id=b.id,
        )
        connection.execute(
            insert(voicemails).values(
                id="V",
                call_id="CALLB",
                file="v.wav",
                box="service",
                left_at=now,
                customer_id=b.id,
                state="new",
            )
        )
        vip = groups.add_group(connection, name="VIP", kind=GroupKind.STATIC, now=now, by=WU)
        both = groups.add_group(connection, name="两人", kind=GroupKind.STATIC, now=now, by=WU)
        groups.put_in(connection, vip.id, [b.id], by="", now=now)
        groups.put_in(connection, both.id, [a.id, b.id], by="", now=now)
        return {
            "a": a.id,
            "b": b.id,
            "a_number": a.number,
            "b_number": b.number,
            "vip": vip.id,
            "both": both.id,
        }

    return database.write_now(work)


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for what undoing must raise (versions) or add (notes of the merge)."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in metadata.sorted_tables:
        if table.name in _TRACES:
            continue
        columns = [one for one in table.columns if one.key not in ("version", "updated_at")]
        rows = connection.execute(select(*columns)).all()
        if table.name == "record_changes":
            rows = [row for row in rows if row.field not in ("merged", "merge_undone") and not row.why]
        if table.name == "groups":
            rows = [row[:1] for row in rows]
        found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return found


def test_nothing_is_lost_and_undo_restores_exactly(
    database: Database, clock: FrozenClock, pair: dict[str, str]
) -> None:
    a, b = pair["a"], pair["b"]
    before = database.read_now(everything)
    merge = database.write_now(
        lambda c: merging.merge(c, a, b, choices={"name": "survivor"}, by=BY, now=clock.now())
    )

    def look(connection: Connection) -> None:
        kept = customers.get_customer(connection, a)
        assert (kept.name, kept.honorific, kept.key_account) == ("张伟", Honorific.MR, True)
        assert kept.note == "喜欢喝茶\n下午联系"
        assert kept.address == "上海市"
        # One primary number, the survivor's; a number that held with either still holds.
        numbers = customers.contacts_of(connection, a)
        assert [(one.number, one.primary) for one in numbers] == [(NEW, True), (SHARED, False), (OLD, False)]
        assert customers.contacts_of(connection, b, ended=True) == []
        assert matching.identify(connection, OLD).customer_id == a
        assert {one.plate for one, _ in vehicles.vehicles_of(connection, a)} == {"沪A12345", "沪B12345"}
        assert {one.id for one in call_log.of_customer(connection, a).calls} == {"CALLA", "CALLB"}
        assert [task.customer_id for task in tasks.open_tasks_of(connection, number=OLD)] == [a]
        assert connection.execute(select(voicemails.c.customer_id)).scalar_one() == a
        now, zone = clock.now(), ZoneInfo("Asia/Shanghai")
        for group in ("vip", "both"):
            members = groups.members_of(connection, WU, groups.get_group(connection, pair[group]), now, zone)
            assert [member.customer_id for member in members] == [a]
        # The old number and id are found, and lead to the record.
        assert merging.current_id(connection, b) == a
        assert merging.by_number(connection, pair["b_number"]) == a
        assert merging.names_of(connection, a) == [a, b]
        facts = call_log.facts_of(connection, "CALLB")
        assert [(fact.kind, fact.data["customer_id"]) for fact in facts] == [(FactKind.IDENTIFIED, a)]

    database.read_now(look)
    assert merge.moved["calls"] == 1
    assert merge.moved["contacts"] == 2
    assert merge.moved["group_members"] == 2

    clock.advance(60)
    undone = database.write_now(lambda c: merging.undo(c, merge.id, by=BY, now=clock.now()))
    assert undone.not_restored == []
    assert undone.undone_by == BY.name
    assert database.read_now(everything) == before
    assert database.read_now(lambda c: matching.identify(c, OLD)).customer_id == b
    facts = database.read_now(lambda c: call_log.facts_of(c, "CALLB"))
    assert facts[-1].data["customer_id"] == b
    with pytest.raises(UndoRefused):
        database.write_now(lambda c: merging.undo(c, merge.id, by=BY, now=clock.now()))


def test_whose_value_is_kept_is_chosen_field_by_field(
    database: Database, clock: FrozenClock, pair: dict[str, str]
) -> None:
    a, b = pair["a"], pair["b"]
    pairs = {one.field: one for one in database.read_now(lambda c: merging.side_by_side(c, a, b))}
    assert pairs["name"].differs
    assert pairs["name"].proposed is Side.SURVIVOR
    assert pairs["address"].proposed is Side.MERGED
    assert pairs["key_account"].proposed is Side.MERGED
    with pytest.raises(BadRecord):
        database.write_now(
            lambda c: merging.merge(c, a, b, choices={"nmae": "merged"}, by=BY, now=clock.now())
        )
    chosen = {"name": "merged", "address": "survivor"}
    database.write_now(lambda c: merging.merge(c, a, b, choices=chosen, by=BY, now=clock.now()))
    kept = database.read_now(lambda c: customers.get_customer(c, a))
    assert (kept.name, kept.address) == ("张先生", "")


def test_a_merged_record_is_not_merged_again(
    database: Database, clock: FrozenClock, pair: dict[str, str]
) -> None:
    a, b = pair["a"], pair["b"]
    c = database.write_now(lambda con: customers.add_customer(con, name="王五", now=clock.now())).id
    first = database.write_now(lambda con: merging.merge(con, a, b, choices={}, by=BY, now=clock.now()))
    for survivor, merged in ((c, b), (b, c), (a, b), (a, a)):
        with pytest.raises(MergeRefused):
            database.write_now(
                lambda con, s=survivor, m=merged: merging.merge(con, s, m, choices={}, by=BY, now=clock.now())
            )
    # A chain stays one step long, and is undone from its end.
    clock.advance(1)
    second = database.write_now(lambda con: merging.merge(con, c, a, choices={}, by=BY, now=clock.now()))
    assert database.read_now(lambda con: merging.current_id(con, b)) == c
    with pytest.raises(UndoRefused):
        database.write_now(lambda con: merging.undo(con, first.id, by=BY, now=clock.now()))
    for one in (second, first):
        assert (
            database.write_now(
                lambda con, o=one: merging.undo(con, o.id, by=BY, now=clock.now())
            ).not_restored
            == []
        )
    assert database.read_now(lambda con: merging.current_id(con, b)) == b


def test_somebody_edited_it_meanwhile(database: Database, clock: FrozenClock, pair: dict[str, str]) -> None:
    a, b = pair["a"], pair["b"]
    read = database.read_now(lambda c: [customers.get_customer(c, one).version for one in (a, b)])
    database.write_now(lambda c: customers.change_customer(c, b, clock.now(), by=BY, address="北京市"))
    with pytest.raises(RecordChanged) as told:
        database.write_now(
            lambda c: merging.merge(c, a, b, choices={}, by=BY, now=clock.now(), versions=(read[0], read[1]))
        )
    assert told.value.holder == BY.name
    assert told.value.version == read[1] + 1


def test_two_merges_at_once(
    database_url: str, open_database: Callable[..., Database], clock: FrozenClock
) -> None:
    """Whichever comes first holds; the other is told, and no record is merged twice or into a merged one."""
    database = open_database(database_url)
    a, b, c = database.write_now(
        lambda con: [customers.add_customer(con, name=f"客户{n}", now=clock.now()).id for n in range(3)]
    )

    def attempt(pair: tuple[str, str]) -> str:
        try:
            database.write_now(lambda con: merging.merge(con, *pair, choices={}, by=BY, now=clock.now()))
        except MergeRefused:
            return "refused"
        return "merged"

    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(attempt, [(a, b), (b, a), (a, b)]))
    assert sorted(results) == ["merged", "refused", "refused"]
    wanted = select(customer_table.c.id, customer_table.c.merged_into)
    into = database.read_now(lambda con: {row[0]: row[1] for row in con.execute(wanted)})
    assert sorted((into[a] is None, into[b] is None)) == [False, True]
    assert into[c] is None


def test_what_changed_since_stays_and_is_told(
    database: Database, clock: FrozenClock, pair: dict[str, str]
) -> None:
    """Undo after later work: what was done since is kept, everything else goes back, and the rest is said."""
    a, b = pair["a"], pair["b"]
    merge = database.write_now(lambda c: merging.merge(c, a, b, choices={}, by=BY, now=clock.now()))
    clock.advance(3600)

    def later(connection: Connection) -> None:
        customers.change_customer(connection, a, clock.now(), by=BY, address="广州市")
        call_log.save(
            connection,
            [(None, call_of(clock, "CALLC", a, started_at=clock.now(), ended_at=clock.now()))],
        )

    database.write_now(later)
    undone = database.write_now(lambda c: merging.undo(c, merge.id, by=BY, now=clock.now()))
    told = {(one.what, one.why) for one in undone.not_restored}
    assert told == {("customers.address", "changed"), ("calls", "new")}
    kept = database.read_now(lambda c: customers.get_customer(c, a))
    assert (kept.address, kept.honorific, kept.key_account) == ("广州市", Honorific.NONE, False)
    assert {one.id for one in database.read_now(lambda c: call_log.of_customer(c, b)).calls} == {"CALLB"}
    assert database.read_now(lambda c: merging.get_merge(c, merge.id)).not_restored == undone.not_restored


def test_what_a_slow_writer_leaves_at_the_old_record_is_gathered(
    database: Database, clock: FrozenClock, pair: dict[str, str]
) -> None:
    """R34: a number tied, or a task made, for the merged customer a moment after the merge."""
    a, b = pair["a"], pair["b"]
    merge = database.write_now(lambda c: merging.merge(c, a, b, choices={}, by=BY, now=clock.now()))
    late = E164("+8613800000009")
    clock.advance(5)
    with pytest.raises(RecordMerged, match=pair["a_number"]):
        database.write_now(lambda c: customers.add_contact(c, b, late, clock.now()))
    with pytest.raises(RecordMerged):
        database.write_now(lambda c: customers.change_customer(c, b, clock.now(), address="x"))

    def unaware(connection: Connection) -> None:
        now = clock.now()
        connection.execute(insert(phone_numbers).values(number=late, reversed=late[:0:-1], first_seen_at=now))
        connection.execute(
            insert(contacts).values(customer_id=b, number=late, label="mobile", is_primary=False, since=now)
        )

    database.write_now(unaware)
    assert database.read_now(lambda c: merging.with_stragglers(c, clock.now())) == [merge.id]
    assert database.write_now(lambda c: merging.gather_stragglers(c, merge.id, clock.now())) >= 1
    assert database.read_now(lambda c: matching.identify(c, late)).customer_id == a
    assert database.read_now(lambda c: merging.with_stragglers(c, clock.now())) == []
    assert database.write_now(lambda c: merging.gather_stragglers(c, merge.id, clock.now())) == 0
    database.write_now(lambda c: merging.undo(c, merge.id, by=BY, now=clock.now()))
    owners = select(contacts.c.customer_id).where(contacts.c.number == late)
    assert database.read_now(lambda c: c.execute(owners).scalar_one()) == b


def test_a_merge_undone_before_its_turn_is_left_alone(
    database: Database, clock: FrozenClock, pair: dict[str, str]
) -> None:
    """Found with a row to take over, undone before it was taken: nothing moves, and nothing goes."""
    a, b = pair["a"], pair["b"]
    merge = database.write_now(lambda c: merging.merge(c, a, b, choices={}, by=BY, now=clock.now()))
    database.write_now(lambda c: merging.undo(c, merge.id, by=BY, now=clock.now()))
    before = database.read_now(everything)
    assert database.write_now(lambda c: merging.gather_stragglers(c, merge.id, clock.now())) == 0
    assert database.read_now(everything) == before
    contact = next(one for one in merge_rows.pointers() if one.table is contacts)
    with pytest.raises(ValueError, match="itself"):
        database.write_now(lambda c: merge_rows.move(c, contact, b, b, merge_rows.Journal(merge.id)))
    assert database.read_now(everything) == before


async def test_looking_for_stragglers_leaves_the_writer_free(
    database: Database, clock: FrozenClock, pair: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 15 s, also beside merges of two days that have nothing left: the writer is not taken at all."""
    a, b = pair["a"], pair["b"]
    database.write_now(lambda c: merging.merge(c, a, b, choices={}, by=BY, now=clock.now()))
    left = select(func.count()).select_from(group_members).where(group_members.c.customer_id == b)
    while database.write_now(lambda c: duplicates.look_at_marked(c, clock.now())):
        pass
    turns: list[str] = []
    write, read = database.write_now, database.read_now

    def writing(work: Callable[[Connection], Any]) -> Any:
        turns.append("write")
        return write(work)

    def reading(work: Callable[[Connection], Any]) -> Any:
        turns.append("read")
        return read(work)

    monkeypatch.setattr(database, "write_now", writing)
    monkeypatch.setattr(database, "read_now", reading)
    ticks = DuplicateTicks(database, clock, LiveBoard())
    await ticks.look()
    assert turns == ["read", "read"]  # the second looks for marked records
    late = {
        "group_id": pair["vip"],
        "customer_id": b,
        "added_at": clock.now(),
        "added_by": "",
        "source": "hand",
    }
    write(lambda c: c.execute(insert(group_members).values(late)))
    turns.clear()
    await ticks.look()
    assert turns == ["read", "write", "read"]
    assert read(lambda c: c.execute(left).scalar_one()) == 0


def test_everything_that_names_a_customer_goes_over() -> None:
    """A new table with a customer in it is taken along; what stays is named."""
    found = {(one.table.name, one.column) for one in merge_rows.pointers()}
    assert {
        ("calls", "customer_id"),
        ("contacts", "customer_id"),
        ("vehicle_people", "customer_id"),
        ("tasks", "customer_id"),
        ("voicemails", "customer_id"),
        ("purchases", "customer_id"),
        ("service_visits", "customer_id"),
        ("group_members", "customer_id"),
        ("corrections", "customer_id"),
        ("customers", "merged_into"),
        (record_changes.name, "subject"),
    } <= found
    assert not found & merge_rows.STAYS

"""The block list in the store, and the look-up of a caller that finds it (feature 20)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection
from typer.testing import CliRunner

from config.__main__ import app
from config.menu_ports import CustomerDirectory
from crm.consent.blocks import BadBlock, Block, clean_reason, patterns_of, read_pattern, turning_away
from storage import audit, blocks, customers
from storage.database import Database
from telephony.numbers import E164

NUMBER = "+8613812345678"


def add(database: Database, pattern: str, clock: FrozenClock, *, days: int = 0) -> bool:
    return database.write_now(
        lambda connection: blocks.add(
            connection,
            pattern=read_pattern(pattern),
            reason="robot calls",
            by="admin",
            now=clock.now(),
            until=clock.now() + timedelta(days=days) if days else None,
        )
    )


def blocked(database: Database, clock: FrozenClock, number: str = NUMBER, *, key: bool = False) -> str:
    """The pattern that turns the number away now; empty for none."""
    found = database.read_now(lambda connection: blocks.fitting(connection, number))
    block = turning_away(found, clock.now(), key_customer=key)
    return "" if block is None else str(block.pattern)


def history(database: Database) -> list[Block]:
    return database.read_now(lambda connection: blocks.find(connection, history=True))


@pytest.mark.parametrize(
    "text", ["13812345678", "+86138*", "+86*", "*", "+861381234567890*", "+86 abc", "+0123456*"]
)
def test_what_is_no_number_and_no_long_enough_beginning_is_refused(text: str) -> None:
    with pytest.raises(BadBlock, match="Allowed"):
        read_pattern(text)


def test_a_block_needs_a_reason() -> None:
    assert clean_reason("  robot\n calls ") == "robot calls"
    with pytest.raises(BadBlock):
        clean_reason(" \n")


def test_a_number_has_itself_and_its_beginnings_of_six_digits_and_more() -> None:
    found = [str(pattern) for pattern in patterns_of("+8613812345")]
    assert found == ["+8613812345", "+861381234*", "+86138123*", "+8613812*", "+861381*"]
    assert [str(pattern) for pattern in patterns_of("+95588")] == ["+95588"]


def test_the_same_again_changes_nothing_and_what_is_withdrawn_stays(
    database: Database, clock: FrozenClock
) -> None:
    assert add(database, NUMBER, clock)
    assert not add(database, NUMBER, clock)
    assert len(history(database)) == 1
    assert blocked(database, clock) == NUMBER
    take_off = partial(blocks.withdraw, pattern=read_pattern(NUMBER), by="boss", now=clock.now())
    assert database.write_now(take_off)
    assert not database.write_now(take_off)
    assert blocked(database, clock) == ""
    clock.advance(60)
    assert add(database, NUMBER, clock)
    now, before = history(database)
    assert (now.withdrawn_at, before.withdrawn_by, before.reason) == (None, "boss", "robot calls")
    assert database.read_now(blocks.find) == [now]


def test_a_block_with_an_end_is_over_then_and_can_be_set_anew(database: Database, clock: FrozenClock) -> None:
    assert add(database, NUMBER, clock, days=1)
    clock.advance(86_399)
    assert blocked(database, clock) == NUMBER
    clock.advance(1)
    assert blocked(database, clock) == ""
    assert add(database, NUMBER, clock)
    assert blocked(database, clock) == NUMBER
    assert len(history(database)) == 2


def test_a_beginning_blocks_all_that_begin_so_but_no_key_customer(
    database: Database, clock: FrozenClock
) -> None:
    assert add(database, "+86138123*", clock)
    assert blocked(database, clock) == "+86138123*"
    assert blocked(database, clock, "+8613812400000") == ""
    assert blocked(database, clock, key=True) == ""
    assert add(database, NUMBER, clock)
    assert blocked(database, clock, key=True) == NUMBER


def test_the_look_up_reads_the_unique_index_and_nothing_else(
    sqlite_database: Database, clock: FrozenClock
) -> None:
    statements: list[str] = []

    def explain(connection: Connection) -> str:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_trace_callback(statements.append)
        blocks.fitting(connection, NUMBER)
        raw.set_trace_callback(None)
        [only] = statements
        plan = raw.execute(f"EXPLAIN QUERY PLAN {only}")
        return " ".join(str(row[3]) for row in plan)

    assert "USING COVERING INDEX" in sqlite_database.read_now(explain)


async def test_the_caller_and_his_block_are_found_together(database: Database, clock: FrozenClock) -> None:
    def people(connection: Connection) -> None:
        for number, key in ((NUMBER, False), ("+8613812300001", True)):
            who = customers.add_customer(connection, name="王强", now=clock.now(), key_account=key)
            customers.add_contact(connection, who.id, E164(number), now=clock.now())

    database.write_now(people)
    add(database, "+86138123*", clock, days=1)
    directory = CustomerDirectory(database)
    found = await directory.by_number(NUMBER, clock.now())
    assert (len(found.customers), found.blocked) == (1, True)
    key = await directory.by_number("+8613812300001", clock.now())
    assert (key.customers[0].key_customer, key.blocked) == (True, False)
    unknown = await directory.by_number("+8613812399999", clock.now())
    assert (unknown.customers, unknown.blocked) == ((), True)
    later = clock.now() + timedelta(days=2)
    assert not (await directory.by_number(NUMBER, later)).blocked
    # Found at the arrival, the answer is the same.
    database.write_now(lambda connection: directory.foresee(connection, [NUMBER]))
    assert await directory.by_number(NUMBER, clock.now()) == found


def test_the_command_adds_lists_and_removes_with_audit(
    sqlite_url: str, open_database: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARELINE__STORAGE__URL", sqlite_url)
    run = CliRunner()

    def said(*arguments: str, code: int = 0) -> str:
        result = run.invoke(app, ["block", *arguments])
        assert result.exit_code == code, result.output
        return result.output

    assert "blocked" in said("add", NUMBER, "--reason", "threats", "--days", "30")
    said("add", "+86138123*", "--reason", "robots")
    assert "already" in said("add", "+86138123*", "--reason", "robots")
    assert "Allowed" in said("add", "12345", "--reason", "x", code=2)
    listed = said("list")
    assert NUMBER in listed
    assert "for ever" in listed
    assert "threats" in listed
    assert "again" in said("remove", NUMBER)
    assert "Nothing was changed" in said("remove", NUMBER, code=1)
    assert NUMBER not in said("list")
    assert "withdrawn" in said("list", "--history")
    entries = open_database(sqlite_url).read_now(audit.list_entries)
    assert [entry.action.value for entry in reversed(entries)] == [
        "caller_blocked",
        "caller_blocked",
        "caller_unblocked",
    ]
    assert not any(NUMBER in entry.subject for entry in entries)

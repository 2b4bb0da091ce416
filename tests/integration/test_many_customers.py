"""Who is calling and who is looked for, among many customers, on both databases: by the index, and little read.

What is held here is what does not depend on the machine: plans, statements, and how much the engine works for an
answer. Milliseconds among a million are `python -m bench pages`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from effort import effort_of
from sqlalchemy import Connection, Engine, event, text
from waiting import SLACK

from access.permissions import Role
from access.users import Principal, Via
from crm.records.found import Why
from crm.records.matching import MatchKind
from crm.records.vehicle_lists import VehicleFilter, VehicleSort
from storage import matching, search
from storage.database import Database, make_engine
from storage.person import person_view
from storage.terms import index_names, index_plates
from storage.vehicle_lists import list_vehicles

pytestmark = pytest.mark.slow

#: Enough for both engines to prefer an index, and for a table that is read whole to show.
PEOPLE = 80_000
VEHICLES = 40_000
NOW = datetime(2026, 6, 16, tzinfo=UTC)


def digits_of(n: int) -> str:
    """The eight digits behind +86139: spread over the whole range, so that neighbours are strangers."""
    return f"{n * 7919 % 100_000_000:08d}"


#: What names are made of: 30 surnames, 30 characters, and 9 of them again.
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚玉桂鹏飞红建文华国"
_NAME = " || ".join(
    f"substr('{letters}', CAST(1 + ({number}) % 30 AS INTEGER), 1)"
    for letters, number in ((SURNAMES, "n"), (GIVEN, "n / 30"), (GIVEN, "n / 900 % 9"))
)


def name_of(n: int) -> str:
    """The name of customer n."""
    return SURNAMES[n % 30] + GIVEN[n // 30 % 30] + GIVEN[n // 900 % 9]


#: One row per number n; {n} counts, {digits} are `digits_of`, written so that both engines compute them.
_STATEMENTS = (
    """INSERT INTO customers (id, number, name, name_key, kind, honorific, language, key_account, note, created_at,
         updated_at)
       SELECT {id}, 'C' || {n}, {name}, {name}, 'person', 'none', 'zh-CN', {false}, '',
         {now}, {now} FROM series""",
    """INSERT INTO phone_numbers (number, reversed, first_seen_at)
       SELECT '+86139' || {digits}, {reversed} || '93168', {now} FROM series""",
    """INSERT INTO contacts (customer_id, number, label, is_primary, since)
       SELECT {id}, '+86139' || {digits}, 'mobile', {true}, {now} FROM series""",
)
_VEHICLES = (
    """INSERT INTO vehicles (id, plate, plate_keys, vin, vin_keys, brand, model, next_due_on, created_at, updated_at)
       SELECT {id}, '沪A' || {five}, {reversed_five} || '2', 'LFV2A21K8B3' || {six}, {reversed_six} || '32851225385',
         '', CASE WHEN n % 3 = 0 THEN 'Golf' ELSE 'M' || (n % 400) END, {due}, {now}, {now} FROM series""",
    """INSERT INTO vehicle_people (vehicle_id, customer_id, role, since)
       SELECT {id}, {id}, 'owner', {now} FROM series""",
)


def _sqlite_words() -> dict[str, str]:
    def turned(word: str, width: int) -> str:
        return " || ".join(f"substr({word}, {place}, 1)" for place in range(width, 0, -1))

    digits = "printf('%08d', n * 7919 % 100000000)"
    five, six = "printf('%05d', n % 100000)", "printf('%06d', n)"
    return {
        "n": "n",
        "name": _NAME,
        "id": "printf('%026d', n)",
        "digits": digits,
        "reversed": turned(digits, 8),
        "five": five,
        "reversed_five": turned(five, 5),
        "six": six,
        "reversed_six": turned(six, 6),
        "due": "CASE WHEN n % 2 = 0 THEN date('2026-01-01', (n % 1000) || ' days') END",
        "true": "1",
        "false": "0",
        "now": "'2026-06-16T00:00:00.000000Z'",
    }


def _postgres_words() -> dict[str, str]:
    digits = "lpad((n * 7919 % 100000000)::text, 8, '0')"
    five, six = "lpad((n % 100000)::text, 5, '0')", "lpad(n::text, 6, '0')"
    return {
        "n": "n",
        "name": _NAME,
        "id": "lpad(n::text, 26, '0')",
        "digits": digits,
        "reversed": f"reverse({digits})",
        "five": five,
        "reversed_five": f"reverse({five})",
        "six": six,
        "reversed_six": f"reverse({six})",
        "due": "CASE WHEN n % 2 = 0 THEN date '2026-01-01' + (n % 1000)::int END",
        "true": "true",
        "false": "false",
        "now": "'2026-06-16 00:00:00+00'::timestamptz",
    }


def _fill(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    words = _sqlite_words() if sqlite else _postgres_words()
    if not sqlite:
        connection.execute(
            text("SET LOCAL session_replication_role = replica")
        )  # references are right by making
    for statements, count in ((_STATEMENTS, PEOPLE), (_VEHICLES, VEHICLES)):
        for statement in statements:
            series = (
                f"WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < {count - 1}) "
                if sqlite
                else f"WITH series AS MATERIALIZED (SELECT generate_series(0::bigint, {count - 1}) AS n) "
            )
            head, _, tail = statement.format(**words).partition("SELECT")
            whole = f"{series} {head} SELECT {tail}" if sqlite else f"{head} {series} SELECT {tail}"
            connection.exec_driver_sql(whole if sqlite else whole.replace("%", "%%"))
    index_names(connection, (name_of(n) for n in range(8_100)))
    index_plates(connection, (f"沪A{n:05d}" for n in range(12_000, 12_600)))


@pytest.fixture
def crowd(database_url: str, open_database: Callable[..., Database]) -> Database:
    engine = make_engine(database_url, writer=True, size=1, pool_seconds=30)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _quick(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA foreign_keys=OFF")
            connection.execute("PRAGMA cache_size=-200000")

    with engine.begin() as connection:
        _fill(connection)
    _analyze(engine)
    engine.dispose()
    return open_database(database_url, readers=1, writers=1)


def _analyze(engine: Engine) -> None:
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


#: The tables that grow with the customers.
_LARGE = {"customers", "contacts", "phone_numbers", "vehicles", "vehicle_people", "search_terms"}
#: Most statements, steps (SQLite) and pages (PostgreSQL) of one answer: several times less than
#: reading every customer takes.
MOST_STATEMENTS = 20
MOST_STEPS = 25_000
MOST_PAGES = 1_000
#: Seconds nothing anybody types may take (S10).
PATIENCE = 1.0


SUPERVISOR = Principal(role=Role.SUPERVISOR, via=Via.SESSION, name="督导", user_id="S1")
AGENT = Principal(role=Role.AGENT, via=Via.SESSION, name="坐席", user_id="A1")
#: What people type, and why the first one is found.
SEARCHES = (
    (SUPERVISOR, "王伟", Why.NAME),
    (AGENT, "伟芳", Why.NAME),  # in the middle
    (AGENT, "wangwei", Why.PINYIN),
    (AGENT, "wwf", Why.INITIALS),
    (AGENT, "li", Why.PINYIN),
    (AGENT, "沪A12", Why.PLATE),
    (AGENT, "A1234", Why.PLATE),
    (AGENT, "VIN", None),
    (AGENT, "LFV2A21K8B3012345", Why.VIN),
    (SUPERVISOR, digits_of(7)[-6:], Why.PHONE_TAIL),
    (AGENT, digits_of(7)[-4:], Why.PHONE_TAIL),
    (AGENT, "139-" + digits_of(7)[:4] + " " + digits_of(7)[4:], Why.PHONE),
    (SUPERVISOR, "c7", Why.CUSTOMER_NUMBER),
    (AGENT, name_of(7)[:1] + " " + digits_of(7)[-4:], Why.PHONE_TAIL),
)


def _id(n: int) -> str:
    return f"{n:026d}"


#: A page of vehicles asks of each whether it is open to its reader; reading them all takes a hundred times as much.
LISTED = 10
#: Lists of vehicles, a page's place in them, and the first two of the page.
LISTS: tuple[tuple[Principal, VehicleFilter, VehicleSort, str | None, list[int]], ...] = (
    (SUPERVISOR, VehicleFilter(), VehicleSort.NEWEST, None, [39_999, 39_998]),
    (AGENT, VehicleFilter(), VehicleSort.NEWEST, _id(20_000), [19_999, 19_998]),
    (AGENT, VehicleFilter(), VehicleSort.DUE, None, [0, 1_000]),
    (AGENT, VehicleFilter(), VehicleSort.DUE, _id(39_998), [1, 3]),
    (AGENT, VehicleFilter(), VehicleSort.PLATE, _id(20_000), [20_001, 20_002]),
    (AGENT, VehicleFilter(due_from=date(2026, 3, 2)), VehicleSort.DUE, None, [60, 1_060]),
    (AGENT, VehicleFilter(due_from=date(2028, 9, 22)), VehicleSort.NEWEST, None, [39_998, 39_996]),
    (AGENT, VehicleFilter(model="golf"), VehicleSort.DUE, None, [0, 3_000]),
    (AGENT, VehicleFilter(model="golf"), VehicleSort.DUE, _id(39_000), [1_002, 4_002]),
    (AGENT, VehicleFilter(model="M"), VehicleSort.NEWEST, None, [39_998, 39_997]),
    (AGENT, VehicleFilter(model="m399"), VehicleSort.PLATE, None, [799, 1_199]),
    (AGENT, VehicleFilter(plate="沪A120"), VehicleSort.DUE, None, [12_000, 12_002]),
    (AGENT, VehicleFilter(plate="a12 3"), VehicleSort.NEWEST, None, [12_399, 12_398]),
    (AGENT, VehicleFilter(plate="2345"), VehicleSort.NEWEST, None, [32_345, 22_345]),
    (AGENT, VehicleFilter(customer_class="A"), VehicleSort.NEWEST, None, []),
)


def test_look_ups_among_many(crowd: Database) -> None:
    """Whoever is looked for is found, every way reads an index and never a table, and reads little of it."""
    for n in (0, 44_444, PEOPLE - 1):
        found = crowd.read_now(partial(matching.find_by_number, number="+86139" + digits_of(n)))
        assert [one.customer_id for one in found] == [f"{n:026d}"]
        view = crowd.read_now(partial(person_view, viewer=AGENT, customer_id=f"{n:026d}", now=NOW))
        assert view.customer.name == name_of(n)
    assert crowd.read_now(lambda c: matching.identify(c, "139" + digits_of(PEOPLE - 1))).kind is MatchKind.ONE
    nobody = crowd.read_now(lambda c: matching.identify(c, "13800000000"))
    assert nobody.kind is MatchKind.NONE
    by_plate = crowd.read_now(lambda c: matching.find_by_plate(c, "沪A12345"))
    assert len(by_plate) == 1
    by_vin = crowd.read_now(lambda c: matching.find_by_vin_tail(c, "012345"))
    assert [one.customer_id for one in by_vin] == [f"{12345:026d}"]
    for viewer, typed, why in SEARCHES:
        page = crowd.read_now(partial(search.search, viewer=viewer, text=typed))
        assert [item.why[0].why for item in page.items[:1]] == ([why] if why else []), typed

    looks: dict[str, Callable[[Connection], object]] = {
        "number": lambda c: matching.find_by_number(c, "+86139" + digits_of(7)),
        "plate": lambda c: matching.find_by_plate(c, "沪A12345"),
        "plate tail": lambda c: matching.find_by_plate_tail(c, "212345"),
        "vin tail": lambda c: matching.find_by_vin_tail(c, "012345"),
        "search by tail": lambda c: search.find_customers(c, digits_of(7)),
        "search by name": lambda c: search.find_customers(c, name_of(PEOPLE - 1)),
        "search of noise": lambda c: search.find_customers(c, "%_'\\"),
        "head of a person": lambda c: person_view(c, SUPERVISOR, f"{7:026d}", NOW),
        **{
            f"search: {text}": partial(search.search, viewer=viewer, text=text)
            for viewer, text, _why in SEARCHES
        },
    }
    most = MOST_STEPS if crowd.is_sqlite else MOST_PAGES
    for name, look in looks.items():
        effort = effort_of(crowd, look, _LARGE)
        print(f"{name}: {effort}")
        assert effort.statements, name
        assert not effort.whole, (name, effort)
        assert effort.statements <= MOST_STATEMENTS, (name, effort)
        assert effort.work <= most, (name, effort)
        began = time.perf_counter()
        crowd.read_now(look)
        assert time.perf_counter() - began < PATIENCE + SLACK, name

    for viewer, wanted, sort, after, first in LISTS:
        listing = partial(list_vehicles, viewer=viewer, wanted=wanted, sort=sort, after=after, now=NOW)
        vehicles = crowd.read_now(listing).items
        assert [int(one.vehicle.id) for one in vehicles[:2]] == first, (wanted, sort)
        effort = effort_of(crowd, listing, _LARGE)
        print(f"{wanted} {sort}: {effort}")
        # The newest are the end of the index of ids, which SQLite says it scans: the work says how much of it.
        whole = [
            line for line in effort.plans if "SCAN" in line and "INDEX" not in line and "vehicle" in line
        ]
        # What fits nearly every vehicle PostgreSQL may read from the front until it has enough, and the work says it.
        read = effort.whole - ({"vehicles"} if wanted.model else set())
        assert not (whole if crowd.is_sqlite else read), (wanted, sort, effort)
        assert effort.statements <= MOST_STATEMENTS, (wanted, sort, effort)
        assert effort.work <= LISTED * most, (wanted, sort, effort)

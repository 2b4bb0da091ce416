"""A dealership of any size in a database, made by the engine itself: customers, vehicles, calls and what hangs on them.

Customers have a number, a vehicle, a visit and a change each; every fifth call has a recording, a filed registration
and a line of the audit; there are tasks, corrections and suspected duplicates. Calls end at `NOW`, the evening of a
day of work; in the month before it people looked at records. `bench._kept` keeps what was made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, event, insert

from access.ids import stamp
from storage.database import make_engine
from storage.tables import metadata
from storage.tables.access import audit
from storage.terms import index_names, index_plates

#: Names are one of 40 surnames and one or two of some 80 characters: 200,000 different ones, as in a large town.
SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚玉桂鹏飞红建文华国志海小春梅雪晓东晨宇浩然子轩欣怡诗涵一诺"
    "可馨思雨佳琪家豪俊博瑞嘉琳琴翠凤莲珍光辉少波新民永庆振宏正安成德仁义礼智信"
)
_SERIES: Final = (
    "WITH RECURSIVE series(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM series WHERE n < {last})"
)
#: Rows of one statement.
_STEP: Final = 500_000
#: When the last calls end: six in the evening, where the house is.
NOW: Final = datetime(2026, 6, 9, 10, 0, tzinfo=UTC)
#: Looks at records a day, and for how many days.
_LOOKS: Final = (1_400, 31)
#: This customer is a fleet with calls of its own: one in fifty of all.
FLEET: Final = 0


def name_of(n: int) -> str:
    """The name of customer n."""
    second = GIVEN[n // 3_600 % len(GIVEN)] if n % 10 < 7 else ""
    return SURNAMES[n % 40] + GIVEN[n // 40 % len(GIVEN)] + second


def id_of(n: int) -> str:
    """The id of customer n, and of his vehicle."""
    return f"{n:026d}"


def phone_of(n: int) -> str:
    """The eight digits behind 139: neighbours are strangers."""
    return f"{n * 7919 % 100_000_000:08d}"


def _words(sqlite: bool) -> dict[str, str]:
    def padded(number: str, width: int) -> str:
        return f"printf('%0{width}d', {number})" if sqlite else f"lpad(({number})::text, {width}, '0')"

    def turned(text: str, width: int) -> str:
        if not sqlite:
            return f"reverse({text})"
        return "(" + " || ".join(f"substr({text}, {place}, 1)" for place in range(width, 0, -1)) + ")"

    def letter(letters: str, number: str) -> str:
        return f"substr('{letters}', CAST(1 + ({number}) % {len(letters)} AS INTEGER), 1)"

    def moment(seconds: str) -> str:
        if sqlite:
            return f"strftime('%Y-%m-%dT%H:%M:%S.000000Z', {seconds}, 'unixepoch')"
        return f"to_timestamp({seconds})"

    def day(seconds: str) -> str:
        return f"date({seconds}, 'unixepoch')" if sqlite else f"(to_timestamp({seconds}))::date"

    digits = padded("n * 7919 % 100000000", 8)
    five, six = padded("n % 100000", 5), padded("n % 1000000", 6)
    name = (
        f"{letter(SURNAMES, 'n')} || {letter(GIVEN, 'n / 40')} || "
        f"CASE WHEN n % 10 < 7 THEN {letter(GIVEN, 'n / 3600')} ELSE '' END"
    )
    return {
        "id": padded("n", 26),
        "name": name,
        "digits": digits,
        "reversed": turned(digits, 8),
        "five": five,
        "reversed_five": turned(five, 5),
        "six": six,
        "reversed_six": turned(six, 6),
        "yes": "1" if sqlite else "true",
        "no": "0" if sqlite else "false",
        "key": "n % 200 = 0",
        "at": moment("1700000000 + n % 60000000"),
        "now": moment("1780000000"),
        "later": moment("1780970000 + n % 100000"),
        "day": day("1700000000 + n % 60000000"),
        "call_at": moment("1718000000 + n * 13 % 63000000"),
        "fifth_at": moment("1718000000 + n * 5 * 13 % 63000000"),
        "fifth": padded("n * 5", 26),
        "wide": padded("n", 32),
        "agent": "'AGENT' || (n * 5 % 50)",
        "other": padded("n + 36000", 26),
        "json": "'[]'" if sqlite else "'[]'::jsonb",
        "object": "'{}'" if sqlite else "'{}'::jsonb",
        "customer": f"CASE WHEN n % 50 = 0 THEN {padded(str(FLEET), 26)} ELSE {padded('n % {customers}', 26)} END",
    }


_CUSTOMERS: Final = (
    """INSERT INTO customers (id, number, name, name_key, kind, honorific, language, key_account, note, created_at,
         updated_at, customer_class)
       SELECT {id}, 'C' || {id}, {name}, {name}, 'person', 'mr', 'zh-CN', {key}, '', {at}, {now},
         substr('ABCD', CAST(1 + n % 4 AS INTEGER), 1) FROM series""",
    """INSERT INTO phone_numbers (number, reversed, first_seen_at)
       SELECT '+86139' || {digits}, {reversed} || '93168', {now} FROM series""",
    """INSERT INTO contacts (customer_id, number, label, is_primary, since)
       SELECT {id}, '+86139' || {digits}, 'mobile', {yes}, {at} FROM series""",
    """INSERT INTO vehicles (id, plate, plate_keys, vin, vin_keys, brand, model, delivered_on, mileage, created_at,
         updated_at)
       SELECT {id}, substr('沪苏浙皖京鲁豫粤川鄂', CAST(1 + n / 100000 % 10 AS INTEGER), 1) || 'A' || {five},
         {reversed_five} || '2', 'LFV2A21K8B3' || {six}, {reversed_six} || '32851225385', 'VW', 'Golf', {day},
         n % 200000, {at}, {now} FROM series""",
    """INSERT INTO vehicle_people (vehicle_id, customer_id, role, since)
       SELECT {id}, {id}, 'owner', {at} FROM series""",
    """INSERT INTO service_visits (id, vehicle_id, customer_id, visited_on, mileage, kind, amount_cents, order_number,
         note, created_at, updated_at, version)
       SELECT {id}, {id}, {id}, {day}, n % 200000, 'periodic', 128000, 'R' || n, '', {at}, {now}, 1 FROM series""",
)
_CHANGES: Final = (
    """INSERT INTO record_changes (id, at, subject, by_id, by_name, field, old, new, why, version)
       SELECT {id}, {at}, 'customer:' || {id}, NULL, 'bench', 'address', '', 'x', '', 2 FROM series""",
)
_USERS: Final = (
    """INSERT INTO users (id, login, name, role, language, theme, password_hash, password_changed_at, active,
         created_at)
       SELECT 'AGENT' || n, 'former' || n, '坐席' || n, 'agent', 'zh-CN', 'auto', '', {now}, {no}, {now}
         FROM series""",
)
_TASKS: Final = (
    """INSERT INTO tasks (id, kind, state, occasion, number, customer_id, subject, calls, created_at, last_at, due_at,
         closed_at, result)
       SELECT {id}, 'callback', CASE WHEN n % 100 = 0 THEN 'open' ELSE 'done' END, 'bench:' || n, NULL, {id}, '', 1,
         {at}, {at}, {later}, CASE WHEN n % 100 = 0 THEN NULL ELSE {now} END, '' FROM series""",
)
_CORRECTIONS: Final = (
    """INSERT INTO corrections (id, customer_id, department, field, wrong_value, said, state, result, answer,
         answer_note, applied, created_at, due_at, closed_at, rounds, reminders, version)
       SELECT {id}, {id}, CASE WHEN n % 3 = 0 THEN 'sales' ELSE 'service' END, 'address', 'x', 'y',
         CASE WHEN n % 100 = 0 THEN 'open' ELSE 'closed' END, CASE WHEN n % 100 = 0 THEN '' ELSE 'corrected' END,
         '', '', {no}, {at}, {later}, CASE WHEN n % 100 = 0 THEN NULL ELSE {now} END, 0, 0, 1 FROM series""",
)
_PAIRS: Final = (
    """INSERT INTO duplicate_pairs (one_id, other_id, score, reasons, state, found_at)
       SELECT {id}, {other}, 50 + n % 50, {json}, 'suspected', {now} FROM series""",
)
_CALLS: Final = (
    """INSERT INTO calls (id, linkedid, system, direction, state, started_at, number, customer_id, queue, agent_id,
         answered_at, ended_at, wait_seconds, talk_seconds, outcome, recording)
       SELECT {id}, 'l' || n, 'careline', CASE WHEN n % 3 = 0 THEN 'outbound' ELSE 'inbound' END, 'ended', {call_at},
         '+86139' || {digits}, {customer}, 'service', 'AGENT' || (n % 50), {call_at}, {call_at}, n % 60, n % 400,
         CASE WHEN n % 7 = 0 THEN 'abandoned' ELSE 'answered' END,
         CASE WHEN n % 5 = 0 THEN 'r' || n || '.wav' ELSE NULL END FROM series""",
)
#: Of every fifth call.
_FIFTHS: Final = (
    """INSERT INTO recordings (id, call_id, file, started_at, ended_at, seconds, bytes, state)
       SELECT {wide}, {fifth}, 'r' || (n * 5) || '.wav', {fifth_at}, {fifth_at}, n % 400, 100000, 'kept' FROM series""",
    """INSERT INTO registrations (id, call_id, agent_id, customer_id, direction, call_type, reason, disposition, human,
         contact, success, final, do_not_call, callback, version, filed_at, filed_by, changed_at)
       SELECT {id}, {fifth}, {agent}, NULL, 'inbound', 'inquiry', 'price', 'answered', {yes}, {yes}, {yes}, {yes},
         {no}, {no}, 1, {fifth_at}, {agent}, {fifth_at} FROM series""",
    """INSERT INTO registration_versions (registration_id, version, at, by, by_name, why, form_version, set_name,
         set_version, content)
       SELECT {id}, 1, {fifth_at}, {agent}, '坐席', '', 1, 'standard', 1, {object} FROM series""",
    """INSERT INTO audit (id, at, action, actor_id, actor_name, via, subject, address, data)
       SELECT {id}, {fifth_at}, 'viewed', {agent}, '坐席', 'session', 'customer:' || {id}, '', {object}
         FROM series""",
)


def fill(url: str, *, customers: int, calls: int, say: Callable[[str], None]) -> None:
    """Put this many customers (with a number, a vehicle and a visit each) and calls into a database with tables."""
    engine = make_engine(url, writer=True, size=1, pool_seconds=60)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _quick(connection: Any, _record: object) -> None:
            for pragma in ("synchronous=OFF", "foreign_keys=OFF", "cache_size=-400000"):
                connection.execute(f"PRAGMA {pragma}")

    parts = (
        (_USERS, 50),
        (_CUSTOMERS + _CHANGES, customers),
        (_TASKS, min(customers, 500_000)),
        (_CORRECTIONS, min(customers, 100_000)),
        (_PAIRS, min(max(customers - 36_000, 0), 20_000)),
        (_CALLS, calls),
        (_FIFTHS, calls // 5),
    )
    tables = [
        metadata.tables[statement.split()[2]] for statements, _count in parts[1:] for statement in statements
    ]
    _indexes(engine, tables, drop=True)
    for statements, count in parts:
        for statement in statements:
            began = time.perf_counter()
            for start in range(0, count, _STEP):
                with engine.begin() as connection:
                    _series(connection, statement, start, min(start + _STEP, count), customers)
            say(f"{statement.split()[2]}: {count:,} rows, {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    with engine.begin() as connection:
        index_names(connection, {name_of(n) for n in range(customers)})
        provinces = "沪苏浙皖京鲁豫粤川鄂"
        plates = (
            f"{provinces[n // 100_000 % 10]}A{n % 100_000:05d}" for n in range(min(customers, 1_000_000))
        )
        index_plates(connection, plates)
    say(f"search_terms: {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    with engine.begin() as connection:
        add_looks(connection, customers)
    _indexes(engine, tables, drop=False)
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    else:
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    say(f"indexes: {time.perf_counter() - began:.0f} s")
    engine.dispose()


def add_looks(connection: Connection, customers: int) -> None:
    """A month of people looking at records by day, with ids of the audit's own kind."""
    a_day, days = _LOOKS
    rows = []
    for n in range(a_day * days):
        at = NOW - timedelta(days=n // a_day, seconds=n % a_day * 25)
        rows.append(
            {
                "id": f"{stamp(at)}{n:016d}",
                "at": at,
                "action": "viewed",
                "actor_id": f"AGENT{n % 50}",
                "actor_name": f"坐席{n % 50}",
                "via": "session",
                "subject": f"customer:{id_of(n * 7919 % customers)}",
                "address": "",
                "data": {},
            }
        )
    connection.execute(insert(audit), rows)


def _indexes(engine: Engine, tables: list[Table], *, drop: bool) -> None:
    """An index is made faster after the rows than with them."""
    for table in tables:
        for index in table.indexes:
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '400MB'")
                if drop:
                    index.drop(connection)
                else:
                    index.create(connection)


def _series(connection: Connection, statement: str, start: int, end: int, customers: int) -> None:
    sqlite = connection.dialect.name == "sqlite"
    words = {name: word.replace("{customers}", str(customers)) for name, word in _words(sqlite).items()}
    head, _, tail = statement.format(**words).partition("SELECT")
    if sqlite:
        series = _SERIES.format(start=start, last=end - 1)
        connection.exec_driver_sql(f"{series} {head} SELECT {tail}")
    else:
        connection.exec_driver_sql(
            "SET LOCAL session_replication_role = replica"
        )  # references are right by making
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        series = f"WITH series AS MATERIALIZED (SELECT generate_series({start}::bigint, {end - 1}) AS n)"
        connection.exec_driver_sql(f"{head} {series} SELECT {tail}".replace("%", "%%"))

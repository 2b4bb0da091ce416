"""A compiled group query gives the people a plain evaluation of the tree gives, on both databases."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert

from access.ids import new_id
from crm.groups.evaluation import holds
from crm.groups.fields import CATALOGUE, Catalogue, Field, FieldKind, Operator, operators_of, with_own
from crm.groups.query import Query, read_query, write_query
from crm.groups.sentences import sentence
from crm.records.customers import name_key
from crm.records.fields import FieldDefinition, FieldSubject, read_value
from crm.records.fields import FieldKind as OwnKind
from storage import group_queries
from storage.database import Database
from storage.tables.calls import calls
from storage.tables.groups import group_members, groups
from storage.tables.records import (
    contacts,
    customers,
    field_values,
    fields,
    phone_numbers,
    purchases,
    service_visits,
    vehicle_people,
    vehicles,
)
from storage.tables.tasks import tasks

TODAY = date(2026, 6, 16)
NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
GROUP = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
OWN = [
    FieldDefinition(
        id=f"F{kind.value}{subject.value}"[:26],
        subject=subject,
        key=f"my_{kind.value}",
        label_zh="自定",
        label_en="own",
        kind=kind,
        choices=("红", "blue") if kind is OwnKind.CHOICE else (),
    )
    for subject in FieldSubject
    for kind in OwnKind
]
HOUSE = with_own(CATALOGUE, OWN)

NAMES = ("张伟", "张三丰", "李雷", "O'Neil%", "Anna_B", "anna b")
WORDS = ("", "教师", "Model S", "model s", "广告_a", "100%")
AMOUNTS = (0, 5, 7, 100_000)


def some_day(rng: random.Random) -> date:
    return TODAY + timedelta(days=rng.choice((-800, -120, -109, -90, -89, -30, -1, 0, 1, 29, 30, 31, 366)))


def some_moment(rng: random.Random) -> datetime:
    """Near the edges of the house's days, which are not those of UTC."""
    day = datetime.combine(some_day(rng), datetime.min.time(), ZONE)
    return (day + timedelta(seconds=rng.choice((-1, 0, 1, 43_200)))).astimezone(UTC)


def value_of(field: Field, rng: random.Random) -> Any:
    if field.optional and rng.random() < 0.3:
        return None
    match field.kind:
        case FieldKind.FLAG:
            return rng.random() < 0.5
        case FieldKind.NUMBER | FieldKind.MONEY:
            return rng.choice((*AMOUNTS, -5) if field.own_id else AMOUNTS)
        case FieldKind.DAY:
            return date(1996, 2, 29) if rng.random() < 0.1 else some_day(rng)
        case FieldKind.MOMENT:
            return some_moment(rng)
        case FieldKind.CHOICE:
            return rng.choice(field.choices or ("AA", "B"))
        case FieldKind.TEXT if field.name == "name":
            return rng.choice(NAMES)
    return rng.choice(WORDS)


class World:
    """Generated people, as facts and as rows."""

    def __init__(self, catalogue: Catalogue, seed: int, people: int) -> None:
        self.rng = random.Random(seed)
        self.catalogue = catalogue
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.put(
            groups, id=GROUP, name="VIP", name_key="vip", kind="static", note="", query_version=1, version=1,
            created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        for one in OWN:
            self.put(
                fields, id=one.id, subject=one.subject, key=one.key, label_zh="自定", label_en="own", kind=one.kind,
                choices=list(one.choices), required=False, hidden_from=[], locked_for=[], place=0, version=1,
            )  # fmt: skip
        for _ in range(people):
            self.add_person()

    def put(self, table: Table, **row: Any) -> None:
        self.rows.setdefault(table.name, []).append(row)

    def known(self, scope: str) -> dict[str, Any]:
        return {
            name: value_of(field, self.rng)
            for name, field in self.catalogue.scopes[scope].fields.items()
            if field.kind not in (FieldKind.GROUP, FieldKind.USER)
        }

    def own(self, owner: str, subject: FieldSubject, facts: dict[str, Any]) -> None:
        for one in OWN:
            value = facts.get(f"own.{one.key}")
            if one.subject is subject and value is not None:
                raw = value.isoformat() if isinstance(value, date) else str(value)
                self.put(field_values, owner_id=owner, field_id=one.id, value=read_value(one, raw))

    def add_person(self) -> None:
        rng = self.rng
        person = self.known("customer")
        id = new_id(NOW)
        person["group"] = [GROUP] if rng.random() < 0.4 else []
        self.facts[id] = person
        text = {
            name: person[name] or "" for name in ("occupation", "address", "source", "need", "paper_file")
        }
        plain = {
            name: person[name]
            for name in (
                "kind", "key_account", "customer_class", "value_grade", "loyalty_grade", "potential_grade",
                "credit_grade", "honorific", "sex", "language", "birthday", "purchase_expected_on", "visited_on",
                "secrecy", "created_at",
            )
        }  # fmt: skip
        person["number"] = f"C{len(self.facts):06d}"
        self.put(
            customers, id=id, number=person["number"], name=person["name"], name_key=name_key(person["name"]),
            note="", updated_at=NOW, **plain, **text,
        )  # fmt: skip
        self.own(id, FieldSubject.CUSTOMER, person)
        if person["group"]:
            self.put(group_members, group_id=GROUP, customer_id=id, added_at=NOW, added_by="", source="hand")
        for what, add in (
            ("contact", self.contact), ("vehicle", self.vehicle), ("purchase", self.purchase), ("call", self.call),
            ("task", self.task),
        ):  # fmt: skip
            person[what] = [add(id) for _ in range(rng.choice((0, 1, 1, 2)))]
        if rng.random() < 0.3:  # what is over does not count
            self.contact(id, ended=NOW)

    def contact(self, owner: str, ended: datetime | None = None) -> dict[str, Any]:
        known = self.known("contact")
        number = f"+86138{len(self.rows.get('contacts', ())):08d}"
        self.put(phone_numbers, number=number, reversed=number[::-1], first_seen_at=NOW)
        self.put(
            contacts, customer_id=owner, number=number, label=known["label"], is_primary=known["primary"],
            since=known["since"], ended_at=ended,
        )  # fmt: skip
        return known

    def vehicle(self, owner: str) -> dict[str, Any]:
        known = self.known("vehicle")
        id = new_id(NOW)
        self.put(
            vehicles, id=id, created_at=NOW, updated_at=NOW, brand=known["brand"] or "", model=known["model"] or "",
            purpose=known["purpose"] or "",
            **{name: known[name] for name in (
                "plate", "state", "delivered_on", "mileage", "last_service_on", "next_due_on", "next_due_mileage",
            )},
        )  # fmt: skip
        self.put(
            vehicle_people, vehicle_id=id, customer_id=owner, role=known["role"], since=NOW, ended_at=None
        )
        self.own(id, FieldSubject.VEHICLE, known)
        known["visit"] = [self.visit(id) for _ in range(self.rng.choice((0, 1, 2)))]
        return known

    def visit(self, vehicle: str) -> dict[str, Any]:
        known = self.known("visit")
        self.put(
            service_visits, id=new_id(NOW), vehicle_id=vehicle, visited_on=known["visited_on"], kind=known["kind"],
            mileage=known["mileage"], amount_cents=known["amount"], order_number="", note="", created_at=NOW,
            updated_at=NOW, version=1,
        )  # fmt: skip
        return known

    def purchase(self, owner: str) -> dict[str, Any]:
        known = self.known("purchase")
        self.put(
            purchases, id=new_id(NOW), customer_id=owner, bought_on=known["bought_on"], model=known["model"] or "",
            price_cents=known["price"], payment=known["payment"], invoice="", note="", created_at=NOW, updated_at=NOW,
            version=1,
        )  # fmt: skip
        return known

    def call(self, owner: str) -> dict[str, Any]:
        known = self.known("call")
        id = new_id(NOW)
        self.put(
            calls, id=id, linkedid=id, system="s", state="ended", customer_id=owner, wait_seconds=0, talk_seconds=0,
            hold_seconds=0, **known,
        )  # fmt: skip
        return known

    def task(self, owner: str) -> dict[str, Any]:
        known = self.known("task")
        id = new_id(NOW)
        self.put(
            tasks,
            id=id,
            occasion=id,
            subject="",
            calls=0,
            created_at=NOW,
            last_at=NOW,
            customer_id=owner,
            **known,
        )
        return known

    def store(self, connection: Connection) -> None:
        order = (
            groups, fields, customers, field_values, group_members, phone_numbers, contacts, vehicles, vehicle_people,
            service_visits, purchases, calls, tasks,
        )  # fmt: skip
        for table in order:
            if rows := self.rows.get(table.name):
                connection.execute(insert(table), rows)


def leaves_of(scope: str) -> st.SearchStrategy[dict[str, Any]]:
    pairs = [
        (field, op)
        for field in HOUSE.scopes[scope].fields.values()
        if field.kind is not FieldKind.USER
        for op in operators_of(field)
    ]
    return st.sampled_from(pairs).flatmap(lambda pair: _test_of(*pair))


def _test_of(field: Field, op: Operator) -> st.SearchStrategy[dict[str, Any]]:
    spans = (Operator.IN_LAST, Operator.IN_NEXT, Operator.AT_LEAST_AGO, Operator.AT_LEAST_AHEAD)
    value: st.SearchStrategy[Any]
    if op in (Operator.EMPTY, Operator.FILLED):
        return st.just({"field": field.name, "op": op.value})
    if field.kind is FieldKind.GROUP:
        value = st.just(GROUP)
    elif op in spans or op is Operator.ANNIVERSARY_IN_NEXT:
        value = st.sampled_from((0, 1, 29, 30, 31, 89, 90, 120, 200, 366))
    elif field.kind in (FieldKind.DAY, FieldKind.MOMENT):
        value = st.sampled_from([(TODAY + timedelta(days=d)).isoformat() for d in (-120, -90, -1, 0, 1, 30)])
    elif field.kind in (FieldKind.NUMBER, FieldKind.MONEY):
        value = st.sampled_from(AMOUNTS)
    elif field.kind is FieldKind.FLAG:
        return st.booleans().map(lambda yes: {"field": field.name, "op": op.value, "value": yes})
    elif field.kind is FieldKind.CHOICE:
        value = st.sampled_from(field.choices or ("AA", "B"))
    elif field.name == "name":
        value = st.sampled_from((*NAMES, "张", "n", "A", "%", "_"))
    else:
        value = st.sampled_from((*[word for word in WORDS if word], "m", "S", "%", "_", "师"))
    if op is Operator.BETWEEN:
        value = st.tuples(value, value).map(lambda pair: sorted(pair))
    elif op in (Operator.ONE_OF, Operator.NONE_OF):
        value = st.lists(value, min_size=1, max_size=3, unique=True)
    return value.map(lambda one: {"field": field.name, "op": op.value, "value": one})


def trees(scope: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    leaf = leaves_of(scope)
    if depth == 0:
        return leaf
    inner = trees(scope, depth - 1)
    kinds = [
        leaf,
        inner.map(lambda part: {"not": part}),
        st.lists(inner, min_size=0, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
    ]
    kinds += [
        trees(thing, depth - 1).map(lambda where, thing=thing: {"has": thing, "where": where})
        for thing in HOUSE.scopes[scope].things
    ]
    return st.one_of(kinds)


@pytest.fixture(scope="module")
def world() -> World:
    return World(HOUSE, seed=7, people=80)


@pytest.fixture
def filled(database: Database, world: World) -> Database:
    database.write_now(world.store)
    return database


def people_in(database: Database, query: Query) -> set[str]:
    statement = group_queries.people(query, HOUSE, today=TODAY, zone=ZONE, sqlite=database.is_sqlite)
    found = database.read_now(lambda connection: list(connection.execute(statement).scalars()))
    assert len(found) == len(set(found))  # nobody twice
    return set(found)


def test_sql_agrees_with_the_tree(filled: Database, world: World) -> None:
    @settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(trees("customer", 3))
    def same(raw: dict[str, Any]) -> None:
        query = read_query(raw, HOUSE)
        assert read_query(write_query(query), HOUSE) == query
        for language in ("zh-CN", "en"):
            assert sentence(query, HOUSE, language)
        expected = {
            id for id, facts in world.facts.items() if holds(query, facts, HOUSE, today=TODAY, zone=ZONE)
        }
        assert people_in(filled, query) == expected

    same()


def test_every_field_and_comparison_agrees(filled: Database, world: World) -> None:
    """Not left to chance: each field with each of its comparisons, at the place where it belongs."""
    rng = random.Random(3)
    seen = 0
    for scope, wrap in {
        "customer": lambda node: node,
        "contact": lambda node: {"has": "contact", "where": node},
        "vehicle": lambda node: {"has": "vehicle", "where": node},
        "purchase": lambda node: {"has": "purchase", "where": node},
        "call": lambda node: {"has": "call", "where": node},
        "task": lambda node: {"has": "task", "where": node},
        "visit": lambda node: {"has": "vehicle", "where": {"has": "visit", "where": node}},
    }.items():
        for field in HOUSE.scopes[scope].fields.values():
            if field.kind is FieldKind.USER:
                continue
            for op in operators_of(field):
                raw = _one(_test_of(field, op), rng)
                for tree in (wrap(raw), rng.choice((wrap({"not": raw}), {"not": wrap(raw)}))):
                    query = read_query(tree, HOUSE)
                    expected = {
                        id
                        for id, facts in world.facts.items()
                        if holds(query, facts, HOUSE, today=TODAY, zone=ZONE)
                    }
                    assert people_in(filled, query) == expected, tree
                    seen += 1
    assert seen > 400


def _one(strategy: st.SearchStrategy[dict[str, Any]], rng: random.Random) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    @settings(max_examples=3, database=None, phases=[Phase.generate], derandomize=True)
    @given(strategy)
    def take(value: dict[str, Any]) -> None:
        found.append(value)

    take()
    return rng.choice(found)

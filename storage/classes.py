"""Classes of customers: the house's rules, what is counted for them, and every change (M-057 to M-062)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, func, insert, select, update

from crm.records.changes import Author, refuse_stale
from crm.records.classification import (
    ClassFacts,
    ClassPreview,
    ClassRules,
    classify,
    rules_from_json,
    rules_to_json,
)
from crm.records.customers import ClassedBy
from crm.records.vehicles import Role, VehicleState
from storage.changes import changes_since, note_changes
from storage.tables.records import (
    customers,
    purchases,
    record_settings,
    service_visits,
    vehicle_people,
    vehicles,
)

_NAME: Final = "classes"


def get_rules(connection: Connection) -> tuple[ClassRules, int]:
    """The house's rules and their version; version 0: those that were shipped."""
    row = connection.execute(
        select(record_settings.c.value, record_settings.c.version).where(record_settings.c.name == _NAME)
    ).one_or_none()
    return (ClassRules(), 0) if row is None else (rules_from_json(row.value), row.version)


def set_rules(
    connection: Connection, rules: ClassRules, by: Author, now: datetime, *, version: int
) -> tuple[ClassRules, int]:
    """Keep other rules. Raises RecordChanged where `version` is not the one they have now."""
    before, found = get_rules(connection)
    refuse_stale(_NAME, version, found, changes_since(connection, _NAME, version))
    row: dict[str, Any] = {"value": rules_to_json(rules), "version": found + 1, "updated_at": now}
    if found == 0:
        connection.execute(insert(record_settings).values(name=_NAME, **row))
    else:
        connection.execute(update(record_settings).where(record_settings.c.name == _NAME).values(**row))
    note_changes(connection, _NAME, _flat(before), _flat(rules), by, now, version=found + 1)
    return rules, found + 1


def _flat(rules: ClassRules) -> dict[str, object]:
    plain = rules_to_json(rules)
    plans = plain.pop("plans")
    for kind, plan in plans.items():
        plain[f"plan {kind}"] = f"{plan['service']} / {plan['visit_every_days'] or '-'}"
    return plain


def facts_of(connection: Connection, customer_id: str, rules: ClassRules, today: date) -> ClassFacts:
    """What the rules ask about one customer."""
    return facts_of_many(connection, [customer_id], rules, today)[customer_id]


def facts_of_many(
    connection: Connection, ids: Sequence[str], rules: ClassRules, today: date
) -> dict[str, ClassFacts]:
    """What the rules ask about these customers; those that are not there are left out."""
    since = date.fromordinal(today.toordinal() - rules.months * 30)
    bought = connection.execute(
        select(purchases.c.customer_id, func.sum(purchases.c.price_cents))
        .where(purchases.c.customer_id.in_(ids), purchases.c.bought_on >= since)
        .group_by(purchases.c.customer_id)
    )
    paid = {row[0]: int(row[1] or 0) for row in bought}
    own = (
        select(vehicle_people.c.customer_id, vehicle_people.c.vehicle_id)
        .where(
            vehicle_people.c.customer_id.in_(ids),
            vehicle_people.c.ended_at.is_(None),
            vehicle_people.c.role.in_([Role.OWNER, Role.PAYER]),
        )
        .distinct()
        .subquery()
    )
    visits = connection.execute(
        select(
            own.c.customer_id,
            func.count(),
            func.coalesce(func.sum(service_visits.c.amount_cents), 0),
            func.max(service_visits.c.visited_on),
        )
        .join(service_visits, service_visits.c.vehicle_id == own.c.vehicle_id)
        .where(service_visits.c.visited_on >= since)
        .group_by(own.c.customer_id)
    )
    visited = {row[0]: (row[1], int(row[2]), row[3]) for row in visits}
    cars = connection.execute(
        select(own.c.customer_id, func.count(), func.max(vehicles.c.delivered_on))
        .join(vehicles, vehicles.c.id == own.c.vehicle_id)
        .where(vehicles.c.state == VehicleState.OWNED)
        .group_by(own.c.customer_id)
    )
    owned = {row[0]: (row[1], row[2]) for row in cars}
    found = {}
    for row in connection.execute(
        select(customers.c.id, customers.c.purchase_expected_on, customers.c.key_account).where(
            customers.c.id.in_(ids)
        )
    ):
        count, spent, last = visited.get(row.id, (0, 0, None))
        number, newest = owned.get(row.id, (0, None))
        found[row.id] = ClassFacts(
            on=today,
            spent_cents=paid.get(row.id, 0) + spent,
            visits=count,
            last_visit_on=last,
            vehicles=number,
            newest_delivery_on=newest,
            purchase_expected_on=row.purchase_expected_on,
            key_account=row.key_account,
        )
    return found


#: More customers than these are not looked at one by one for a preview.
MOST_LOOKED: Final = 4000
_CHUNK: Final = 400
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def preview(
    connection: Connection, rules: ClassRules, today: date, *, most: int = MOST_LOOKED
) -> ClassPreview:
    """How classes would change by other rules, among those whose class a rule decides.

    In a large house a share of the customers is looked at: those whose id, which ends by chance, ends so.
    """
    by_rule = and_(customers.c.classed_by == ClassedBy.RULE, customers.c.merged_into.is_(None))
    total = connection.execute(select(func.count()).select_from(customers).where(by_rule)).scalar_one()
    wanted = select(customers.c.id, customers.c.customer_class).where(by_rule)
    if total > most:
        pairs = max(1, min(len(_LETTERS) ** 2 - 1, len(_LETTERS) ** 2 * most // total))
        ends = [_LETTERS[n // 32] + _LETTERS[n % 32] for n in range(pairs)]
        wanted = wanted.where(func.substr(customers.c.id, 25, 2).in_(ends))
    now = {row.id: row.customer_class for row in connection.execute(wanted.limit(2 * most))}
    ids = list(now)
    moves: Counter[tuple[str, str]] = Counter()
    for place in range(0, len(ids), _CHUNK):
        for customer_id, facts in facts_of_many(
            connection, ids[place : place + _CHUNK], rules, today
        ).items():
            moves[now[customer_id] or "", classify(facts, rules).customer_class.value] += 1
    return ClassPreview(looked=len(ids), total=total, moves=dict(moves))

"""`web.ports.contacts.Contacts` over the database: who may work at which contact, and what each may read of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number, mask_text
from access.permissions import TAKES_CALLS, Permission
from access.requests import Answer, Once
from access.users import Principal
from crm.contacts.contacts import (
    GIVEN_RESULTS,
    BadContact,
    Contact,
    ContactNotFound,
    ContactState,
    ContactTaken,
    NewReason,
    Reason,
    ReasonKind,
    ReasonState,
    Result,
)
from crm.contacts.rules import Rule, Rules
from crm.records.customers import Customer, CustomerNotFound, RecordClosed
from crm.records.vehicles import Role as VehicleRole
from storage import audit, case_lists, contact_lists, contacts, customers, due, idempotency, users, vehicles
from storage.database import Database
from storage.merging import current_id
from storage.sight import Sight, sights
from telephony.call_lists import BadCursor
from telephony.hours import WorkingTime
from web.ports.contacts import (
    Callee,
    ContactFilter,
    ContactLine,
    ContactPage,
    ContactView,
    DueRun,
    ReasonLine,
)

#: In which order a vehicle's people are tried.
_ROLES: Final = (VehicleRole.OWNER, VehicleRole.DRIVER, VehicleRole.CONTACT, VehicleRole.PAYER)
_MOST_CALLEES: Final = 20
#: Changes of the rules that are shown.
_MOST_CHANGES: Final = 10


class ContactBook:
    """Contacts."""

    def __init__(self, database: Database, hours: WorkingTime) -> None:
        self._database = database
        self._hours = hours

    # -- reading ----------------------------------------------------------------------------------

    async def list(
        self,
        viewer: Principal,
        wanted: ContactFilter,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ContactPage:
        after = read_cursor(cursor)

        def work(connection: Connection) -> ContactPage:
            counts = contact_lists.counts(connection, viewer, now)
            by_kind = contact_lists.counts_by_kind(connection, viewer, now)
            if wanted.mine and viewer.user_id is None:
                return ContactPage(items=[], counts=counts, kinds=by_kind)
            found = contact_lists.search(
                connection,
                viewer,
                contact_lists.Wanted(
                    which=wanted.which,
                    kind=wanted.kind,
                    owner_id=viewer.user_id if wanted.mine else wanted.owner_id,
                    free=wanted.free,
                    department=wanted.department,
                    customer_id=wanted.customer_id and current_id(connection, wanted.customer_id),
                    vehicle_id=wanted.vehicle_id,
                ),
                now,
                after=after,
                limit=limit + 1,
            )
            kept = found[:limit]
            following = None
            if len(found) > limit:
                moment = getattr(kept[-1], contact_lists.sorted_by(wanted.which).key)
                following = f"{moment.isoformat()}~{kept[-1].id}"
            return ContactPage(
                items=lines(connection, viewer, kept, now), counts=counts, kinds=by_kind, next=following
            )

        return await self._database.read(work)

    async def get(self, viewer: Principal, contact_id: str, now: datetime) -> ContactView:
        def work(connection: Connection) -> ContactView:
            return _view(connection, viewer, _reachable(connection, viewer, contact_id, now), now)

        return await self._database.read(work)

    async def of_customer(self, viewer: Principal, customer_id: str, now: datetime) -> ContactLine | None:
        def work(connection: Connection) -> ContactLine | None:
            found = contacts.open_contact_of(connection, current_id(connection, customer_id))
            if found is None or _sight(connection, viewer, found, now) is Sight.NONE:
                return None
            return lines(connection, viewer, [found], now)[0]

        return await self._database.read(work)

    async def rules(self) -> Rules:
        return await self._database.read(contacts.rules_of)

    async def rule_changes(self) -> Sequence[Entry]:
        return await self._database.read(
            lambda c: audit.list_entries(c, subject="contact_rules", limit=_MOST_CHANGES)
        )

    async def runs(self, *, limit: int = 30) -> Sequence[DueRun]:
        rows = await self._database.read(lambda connection: due.runs(connection, limit))
        return [
            DueRun(
                day=row["day"],
                started_at=row["started_at"],
                finished_at=row["finished_at"],
                part=row["part"],
                counts=row["counts"],
                seconds=row["seconds"],
            )
            for row in rows
        ]

    # -- working ----------------------------------------------------------------------------------

    async def add(
        self, viewer: Principal, new: NewReason, entry: Entry, *, once: Once | None = None
    ) -> ContactView:
        now = entry.at

        def work(connection: Connection) -> ContactView:
            occasion = new.occasion or f"made {entry.id}"
            if once is not None:
                answer = Answer(status=201, body={"made": entry.id}, at=now)
                kept = idempotency.answer_once(connection, once, answer)
                occasion = f"made {kept.body['made']}"
            whose = current_id(connection, new.customer_id)
            seen = sights(connection, viewer, [whose], now).get(whose, Sight.NONE)
            if seen is Sight.NONE:
                raise CustomerNotFound("There is no such customer.")
            if seen is Sight.CLOSED:
                raise RecordClosed("This record is restricted. Ask for an approval to open it.")
            if new.vehicle_id is not None:
                car = vehicles.get_vehicle(connection, new.vehicle_id)
                if all(one.customer_id != whose for one in vehicles.people_of(connection, car.id)):
                    raise BadContact(
                        "This vehicle is not one of the customer's. Nothing was changed.", field="vehicle_id"
                    )
            if new.expires_at is not None and new.expires_at <= max(now, new.due_at):
                raise BadContact(
                    "The reason would be over before the call is due. Nothing was changed.",
                    field="expires_at",
                )
            made = contacts.add_reason(
                connection, replace(new, customer_id=whose, occasion=occasion), now, by=viewer
            )
            if made is None:
                raise BadContact(
                    "There is nobody to call for this. Nothing was changed.", field="customer_id"
                )
            audit.append(connection, replace(entry, subject=f"contact:{made.id}"))
            return _view(connection, viewer, made, now)

        return await self._database.write(work)

    async def give_result(
        self,
        viewer: Principal,
        contact_id: str,
        result: Result,
        entry: Entry,
        *,
        version: int | None = None,
        note: str = "",
        call_id: str | None = None,
        done_reasons: Sequence[str] | None = None,
    ) -> ContactView:
        def work(connection: Connection) -> ContactView:
            _workable(connection, viewer, contact_id, entry.at)
            after = contacts.close_contact(
                connection,
                contact_id,
                result,
                now=entry.at,
                hours=self._hours,
                by=viewer,
                version=version,
                note=note,
                call_id=call_id,
                done_reasons=done_reasons,
                force=viewer.may(Permission.TASKS_ASSIGN),
            )
            audit.append(connection, entry)
            return _view(connection, viewer, after, entry.at)

        return await self._database.write(work)

    async def assign(
        self, viewer: Principal, contact_id: str, owner_id: str | None, version: int | None, entry: Entry
    ) -> ContactView:
        def work(connection: Connection) -> ContactView:
            _workable(connection, viewer, contact_id, entry.at)
            may_all = viewer.may(Permission.TASKS_ASSIGN)
            if owner_id is not None:
                owner = users.get_user(connection, owner_id)
                if not may_all and owner_id != viewer.user_id:
                    raise ContactTaken(
                        "Giving it to somebody else needs the right to assign tasks. Nothing was changed."
                    )
                if not owner.is_enabled or owner.role not in TAKES_CALLS:
                    raise BadContact("This person makes no calls. Nothing was changed.", field="owner_id")
            after = contacts.give(
                connection, contact_id, owner_id, by=viewer, now=entry.at, version=version, force=may_all
            )
            audit.append(connection, entry)
            return _view(connection, viewer, after, entry.at)

        return await self._database.write(work)

    async def postpone(
        self, viewer: Principal, contact_id: str, until: datetime, version: int | None, entry: Entry
    ) -> ContactView:
        def work(connection: Connection) -> ContactView:
            _workable(connection, viewer, contact_id, entry.at)
            after = contacts.postpone(
                connection,
                contact_id,
                until,
                by=viewer,
                now=entry.at,
                version=version,
                force=viewer.may(Permission.TASKS_ASSIGN),
            )
            audit.append(connection, entry)
            return _view(connection, viewer, after, entry.at)

        return await self._database.write(work)

    async def save_rules(self, viewer: Principal, rules: Rules, entry: Entry) -> Rules:
        def work(connection: Connection) -> Rules:
            before = contacts.rules_of(connection)
            saved = contacts.save_rules(connection, rules, now=entry.at)
            audit.append(connection, replace(entry, data=_rule_changes(before, saved)))
            return saved

        return await self._database.write(work)


# -- who may ------------------------------------------------------------------------------------------


def _sight(connection: Connection, viewer: Principal, contact: Contact, now: datetime) -> Sight:
    """What this person may see of a contact: as of its customer; whose contact it is, is in scope."""
    return _sights(connection, viewer, [contact], now)[contact.id]


def _sights(
    connection: Connection, viewer: Principal, found: Sequence[Contact], now: datetime
) -> dict[str, Sight]:
    seen = sights(connection, viewer, [one.customer_id for one in found], now)
    result = {}
    for one in found:
        whose = seen.get(one.customer_id, Sight.NONE)
        own = viewer.user_id is not None and one.owner_id == viewer.user_id
        result[one.id] = Sight.CLOSED if whose is Sight.NONE and own else whose
    return result


def _reachable(connection: Connection, viewer: Principal, contact_id: str, now: datetime) -> Contact:
    """The contact where it is there for this person. Raises ContactNotFound."""
    contact = contacts.get_contact(connection, contact_id)
    if _sight(connection, viewer, contact, now) is Sight.NONE:
        raise ContactNotFound("There is no such contact.")
    return contact


def _workable(connection: Connection, viewer: Principal, contact_id: str, now: datetime) -> None:
    contact = _reachable(connection, viewer, contact_id, now)
    if _sight(connection, viewer, contact, now) is not Sight.OPEN:
        raise RecordClosed("This record is restricted. Ask for an approval to open it.")


# -- what each may read -------------------------------------------------------------------------------


def _view(connection: Connection, viewer: Principal, contact: Contact, now: datetime) -> ContactView:
    line = lines(connection, viewer, [contact], now)[0]
    if line.closed_to_viewer:
        return ContactView(line=line)
    tries, events = contacts.tries_of(connection, contact.id), contacts.events_of(connection, contact.id)
    if not viewer.sees_names:
        tries = [replace(one, note="") for one in tries]
    elif not viewer.sees_numbers:
        tries = [replace(one, note=mask_text(one.note)) for one in tries]
    return ContactView(
        line=line,
        tries=tries,
        events=events,
        callees=_callees(connection, viewer, contact, line.reasons, now),
        allowed=_allowed(viewer, contact, line.reasons),
    )


def _allowed(viewer: Principal, contact: Contact, reasons: Sequence[ReasonLine]) -> Sequence[Result]:
    if contact.state is ContactState.CLOSED or not viewer.may(Permission.TASKS_WORK):
        return []
    mine = contact.owner_id in (None, viewer.user_id) or viewer.may(Permission.TASKS_ASSIGN)
    several = sum(one.reason.state is ReasonState.OPEN for one in reasons) > 1
    return [one for one in GIVEN_RESULTS if mine and (several or one is not Result.PARTLY)]


def _callees(
    connection: Connection,
    viewer: Principal,
    contact: Contact,
    reasons: Sequence[ReasonLine],
    now: datetime,
) -> Sequence[Callee]:
    """The customer with every number, then the other people of the vehicles spoken about."""
    about = list(dict.fromkeys(one.reason.vehicle_id for one in reasons if one.reason.vehicle_id))
    tried: dict[str, tuple[str, str | None]] = {contact.customer_id: ("", None)}
    for vehicle_id in about:
        people = sorted(
            vehicles.people_of(connection, vehicle_id),
            key=lambda one: _ROLES.index(one.role) if one.role in _ROLES else len(_ROLES),
        )
        for one in people:
            known = tried.get(one.customer_id)
            if known is None or not known[0]:
                tried[one.customer_id] = (one.role.value, vehicle_id)
    seen = sights(connection, viewer, list(tried), now)
    people_rows = customers.several(connection, list(tried))
    found = []
    for customer_id, (role, of_vehicle) in tried.items():
        person = people_rows.get(customer_id)
        if person is None or seen.get(customer_id) is not Sight.OPEN:
            continue
        every = customers.in_places(customers.contacts_of(connection, customer_id, ended=True))
        current = [(place, one) for place, one in every if one.ended_at is None]
        found += [
            Callee(
                customer_id=customer_id,
                name=_name(viewer, person),
                role=role,
                number=one.number if viewer.sees_numbers else mask_number(one.number),
                place=place,
                vehicle_id=of_vehicle,
            )
            for place, one in sorted(current, key=lambda pair: not pair[1].primary)
        ]
    return found[:_MOST_CALLEES]


def _name(viewer: Principal, person: Customer) -> str:
    return person.name if viewer.sees_names else mask_name(person.name)


def lines(
    connection: Connection, viewer: Principal, found: Iterable[Contact], now: datetime
) -> list[ContactLine]:
    """Contacts as this viewer may see them."""
    every = list(found)
    reasons = contacts.reasons_of(connection, [one.id for one in every])
    people = customers.several(connection, [one.customer_id for one in every])
    numbers = contact_lists.numbers_of(connection, list(people))
    firsts = {customer_id: some[0] for customer_id, some in numbers.items()}
    wishes = contact_lists.wishes_of(connection, list(firsts.values()))
    cars = case_lists.vehicle_names(
        connection, {one.vehicle_id for some in reasons.values() for one in some if one.vehicle_id}
    )
    names = users.user_names(connection) if any(one.owner_id for one in every) else {}
    seen = _sights(connection, viewer, every, now)
    return [
        _line(
            viewer,
            one,
            reasons.get(one.id, []),
            people.get(one.customer_id),
            firsts.get(one.customer_id, ""),
            wishes,
            cars,
            owner_name=names.get(one.owner_id or "", ""),
            closed=seen[one.id] is not Sight.OPEN,
            overdue=one.state is ContactState.OPEN and one.due_at < now,
        )
        for one in every
    ]


def _line(
    viewer: Principal,
    contact: Contact,
    reasons: Sequence[Reason],
    person: Customer | None,
    number: str,
    wishes: Mapping[str, Sequence[str]],
    cars: Mapping[str, tuple[str, str]],
    *,
    owner_name: str,
    closed: bool,
    overdue: bool,
) -> ContactLine:
    name = "" if person is None else person.name
    if closed or not viewer.sees_names:
        name = mask_name(name)
    note = contact.note
    if closed or not viewer.sees_names:
        note = ""
    elif not viewer.sees_numbers:
        note = mask_text(note)
    shown = []
    for one in reasons:
        plate, model = cars.get(one.vehicle_id or "", ("", ""))
        if closed:
            one = replace(one, why={}, vehicle_id=None, occasion="")
            plate = model = ""
        shown.append(ReasonLine(reason=one, plate=plate, model=model))
    return ContactLine(
        contact=replace(contact, note=note),
        reasons=shown,
        customer_name=name,
        number="" if closed else number if viewer.sees_numbers else mask_number(number) if number else "",
        owner_name=owner_name,
        overdue=overdue,
        blocked=[] if closed else wishes.get(number, []),
        closed_to_viewer=closed,
    )


def _rule_changes(before: Rules, after: Rules) -> dict[str, str]:
    """What was changed of the rules, by name: what it was and what it is."""
    was, now = _flat(before), _flat(after)
    return {
        name: f"{was.get(name)} → {now.get(name)}"
        for name in {**was, **now}
        if was.get(name) != now.get(name)
    }


def _flat(rules: Rules) -> dict[str, str]:
    plain: dict[str, object] = {
        name: getattr(rules, name)
        for name in Rules.__slots__
        if name not in ("version", "kinds", "class_days")
    }
    plain |= {f"class_days.{grade}": days for grade, days in rules.class_days.items()}
    for kind in ReasonKind:
        rule = rules.rule(kind)
        plain |= {f"{kind.value}.{name}": getattr(rule, name) for name in Rule.__slots__}
    return {name: "—" if value is None else str(value) for name, value in plain.items()}


def read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """A moment and an id, as `next` of a page says them. Raises BadCursor."""
    if cursor is None:
        return None
    moment, _, contact_id = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(contact_id) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, contact_id

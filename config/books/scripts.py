"""Scripts with a call's data in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.masking import mask_name, mask_number
from access.users import Language, Principal
from config.books.definitions import DefinitionBook
from config.books.registrations import visible
from crm.contacts.contacts import Reason, ReasonState
from crm.records.customers import CustomerKind, CustomerNotFound, Honorific
from crm.scripts import scripts, templates
from crm.scripts.drafts import DraftScript, spoken_steps
from crm.scripts.facts import NO_FACTS, Due, Worded, of_reasons
from crm.scripts.honorifics import address
from crm.scripts.scripts import Script, Situation
from storage import appointments, contacts, customers, vehicles
from storage.contact_rows import reasons_of
from storage.database import Database
from storage.sight import Sight, sight
from telephony.calls import Call, Direction
from web.languages import text
from web.ports.aftercall import Spoken, SpokenStep

_SAMPLE: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-CN": {"name": "王建国", "model": "朗逸 1.5L", "plate": "沪A12345", "subject": "空调异响"},
    "en": {
        "name": "James Miller",
        "model": "Lavida 1.5L",
        "plate": "沪A12345",
        "subject": "noise from the air conditioning",
    },
}
#: Call types in which an agent speaks about what the house called for; none chosen yet is one.
_VISITS: Final = frozenset({"", "return_visit", "reminder"})


class ScriptBook:
    """`web.ports.aftercall.Scripts` over the database."""

    def __init__(
        self,
        database: Database,
        definitions: DefinitionBook,
        *,
        dealership: str,
        zone: str,
        queue_labels: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._dealership = dealership
        self._zone = ZoneInfo(zone)
        self._queue_labels = queue_labels

    async def for_call(
        self, viewer: Principal, call_id: str, *, language: str | None, call_type: str, now: datetime
    ) -> Spoken | None:
        def work(connection: Connection) -> Spoken | None:
            call = visible(connection, viewer, call_id)
            offered = self._definitions.scripts(connection)
            reason = self._called_for(connection, viewer, call, call_type, offered, now)
            if reason is not None:
                script = offered[reason.script or ""][0]
            else:
                situation = Situation(
                    queue=call.queue, keys=call.keys, call_type=call_type, direction=call.direction.value
                )
                chosen = scripts.choose((script for script, _version in offered.values()), situation)
                if chosen is None:
                    return None
                script = chosen
            tongue, steps = scripts.in_language(script, language or _language_of(connection, call))
            values = self._values(connection, call, viewer, tongue, now, reason)
            return _spoken(script, offered[script.name][1], tongue, steps, values)

        return await self._database.read(work)

    def _called_for(
        self,
        connection: Connection,
        viewer: Principal,
        call: Call,
        call_type: str,
        offered: Collection[str],
        now: datetime,
    ) -> Reason | None:
        """Why the house calls this customer, where a script is there for it and the agent speaks about nothing else."""
        if call.direction is not Direction.OUTBOUND or call.customer_id is None:
            return None
        if call_type not in _VISITS or sight(connection, viewer, call.customer_id, now) is not Sight.OPEN:
            return None
        contact = contacts.open_contact_of(connection, call.customer_id)
        if contact is None:
            return None
        return next(
            (
                one
                for one in reasons_of(connection, [contact.id]).get(contact.id, ())
                if one.state is ReasonState.OPEN and one.script and one.script in offered
            ),
            None,
        )

    async def for_customer(
        self,
        viewer: Principal,
        customer_id: str,
        *,
        names: Sequence[str],
        call_types: Sequence[str],
        language: str | None,
        now: datetime,
        vehicle_id: str | None = None,
        facts: Mapping[str, object] = NO_FACTS,
    ) -> Spoken | None:
        def work(connection: Connection) -> Spoken | None:
            offered = self._definitions.scripts(connection)
            script = next((offered[name][0] for name in names if name in offered), None)
            if script is None:
                every = [one for one, _version in offered.values()]
                fitting = [
                    scripts.choose(every, Situation(call_type=call_type, direction=Direction.OUTBOUND.value))
                    for call_type in call_types
                ]
                typed = [
                    one
                    for one, call_type in zip(fitting, call_types, strict=True)
                    if one is not None and call_type in one.when.call_types
                ]
                script = next(iter(typed), next((one for one in fitting if one is not None), None))
            if script is None:
                return None
            spoken_to = language
            if customer_id:
                try:
                    spoken_to = language or customers.get_customer(connection, customer_id).language
                except CustomerNotFound:
                    return None
            chosen, steps = scripts.in_language(script, spoken_to or "zh-CN")
            values = self._house_values(viewer, chosen, now)
            if customer_id:
                values |= self._customer_values(
                    connection, customer_id, viewer, chosen, now, vehicle_id=vehicle_id, facts=facts
                )
            else:
                values |= self._facts(facts, chosen)
            return _spoken(script, offered[script.name][1], chosen, steps, values)

        return await self._database.read(work)

    def preview(
        self, script: DraftScript, *, language: str, agent_name: str, known: bool, now: datetime
    ) -> Spoken:
        chosen, steps = spoken_steps(script, language)
        sample = _SAMPLE[chosen]
        values: dict[str, str | None] = {
            "agent.name": agent_name,
            "dealership": self._dealership,
            "greeting": scripts.part_of_day(now.astimezone(self._zone).hour, chosen),
        }
        if known:
            values |= {
                "customer.name": sample["name"],
                "customer.address": address(sample["name"], Honorific.MR, CustomerKind.PERSON, chosen),
                "customer.number": "C000123",
                "customer.phone_tail": "5678",
                "vehicle.plate": sample["plate"],
                "vehicle.model": sample["model"],
                "vehicle.mileage": "32,500",
                "vehicle.last_service": "2026-03-08",
                "queue": self._queue("service", chosen),
                "vehicle.next_service": _due(date(2026, 9, 8), 40_000, chosen),
                "service.kind": text(_language(chosen), "contacts.kind.periodic_maintenance"),
                "visit.day": self._worded(date(2026, 3, 8), chosen),
                "appointment.time": self._worded(datetime(2026, 9, 12, 1, 30, tzinfo=UTC), chosen),
                "appointment.work": text(_language(chosen), "appointments.work.maintenance"),
                "case.number": "KS-2026-0012",
                "case.subject": sample["subject"],
                "case.promised": self._worded(datetime(2026, 9, 10, 8, 0, tzinfo=UTC), chosen),
            }
        return Spoken(
            name=script.name,
            version=0,
            label={str(key): value for key, value in script.label.items()},
            language=chosen,
            steps=[SpokenStep(kind=step.kind, parts=templates.render(step.text, values)) for step in steps],
        )

    def _worded(self, value: object, language: str) -> str | None:
        """A fact as it is said: days and moments in the house's time."""
        match value:
            case Worded():
                return text(_language(language), value.key)
            case Due():
                return _due(value.on, value.mileage, language)
            case datetime():
                at = value.astimezone(self._zone)
                return f"{_day(at.date(), language)} {at:%H:%M}"
            case date():
                return _day(value, language)
            case None:
                return None
        return str(value)

    def _queue(self, name: str | None, language: str) -> str | None:
        return self._queue_labels.get(name or "", {}).get(language) or name

    def _values(
        self,
        connection: Connection,
        call: Call,
        viewer: Principal,
        language: str,
        now: datetime,
        reason: Reason | None,
    ) -> dict[str, str | None]:
        values: dict[str, str | None] = self._house_values(viewer, language, now) | {
            "queue": self._queue(call.queue, language),
            "customer.phone_tail": mask_number(call.number)[-4:] if call.number else None,
        }
        if call.customer_id is None:
            return values
        return values | self._customer_values(
            connection,
            call.customer_id,
            viewer,
            language,
            now,
            vehicle_id=reason.vehicle_id if reason is not None else None,
            facts=of_reasons([reason]) if reason is not None else NO_FACTS,
        )

    def _facts(self, facts: Mapping[str, object], language: str) -> dict[str, str | None]:
        return {place: self._worded(value, language) for place, value in facts.items()}

    def _house_values(self, viewer: Principal, language: str, now: datetime) -> dict[str, str | None]:
        return {
            "agent.name": viewer.name,
            "dealership": self._dealership,
            "greeting": scripts.part_of_day(now.astimezone(self._zone).hour, language),
        }

    def _customer_values(
        self,
        connection: Connection,
        customer_id: str,
        viewer: Principal,
        language: str,
        now: datetime,
        *,
        vehicle_id: str | None,
        facts: Mapping[str, object],
    ) -> dict[str, str | None]:
        values: dict[str, str | None] = {}
        try:
            customer = customers.get_customer(connection, customer_id)
        except CustomerNotFound:
            return values
        opened = sight(connection, viewer, customer.id, now) is Sight.OPEN
        name = customer.name if viewer.sees_names and opened else mask_name(customer.name)
        values |= {
            "customer.name": name,
            "customer.address": address(name, customer.honorific, customer.kind, language),
            "customer.number": customer.number,
        }
        cars = vehicles.vehicles_of(connection, customer.id) if opened else []
        if cars:
            # Of several the one it is about, else the one that was here last: the agent asks.
            about = [pair for pair in cars if pair[0].id == vehicle_id] or cars
            car, _role = max(about, key=lambda pair: str(pair[0].last_service_on or ""))
            values |= {
                "vehicle.plate": car.plate,
                "vehicle.model": _model(car.brand, car.model),
                "vehicle.mileage": f"{car.mileage:,}" if car.mileage is not None else None,
                "vehicle.last_service": car.last_service_on.isoformat() if car.last_service_on else None,
                "vehicle.next_service": _due(car.next_due_on, car.next_due_mileage, language),
            }
        if opened and (booked := appointments.next_of(connection, [customer.id], now).get(customer.id)):
            values |= {
                "appointment.time": self._worded(booked.starts_at, language),
                "appointment.work": self._worded(Worded(f"appointments.work.{booked.work.value}"), language),
            }
        return values | self._facts(facts, language) if opened else values


def _spoken(
    script: Script,
    version: int,
    language: str,
    steps: Sequence[scripts.ScriptStep],
    values: Mapping[str, str | None],
) -> Spoken:
    return Spoken(
        name=script.name,
        version=version,
        label=script.label,
        language=language,
        steps=[SpokenStep(kind=step.kind, parts=templates.render(step.text, values)) for step in steps],
    )


def _language(language: str) -> Language:
    return "en" if language == "en" else "zh-CN"


def _day(day: date, language: str) -> str:
    return f"{day.year}年{day.month}月{day.day}日" if language == "zh-CN" else f"{day.day} {day:%B %Y}"


def _due(on: date | None, mileage: int | None, language: str) -> str | None:
    """When a service is due: a day, kilometres, or whichever comes first."""
    said = [_day(on, language)] if on is not None else []
    if mileage is not None:
        said.append(f"{mileage:,} 公里" if language == "zh-CN" else f"{mileage:,} km")
    return ("或" if language == "zh-CN" else " or ").join(said) or None


def _model(brand: str, model: str) -> str | None:
    """Brand and model, the brand once."""
    return (model or None) if model.startswith(brand) else f"{brand} {model}".strip() or None


def _language_of(connection: Connection, call: Call) -> str:
    """The language the caller chose, else the one on record, else Chinese."""
    if call.language in ("zh-CN", "en"):
        return call.language
    if call.customer_id is not None:
        try:
            return customers.get_customer(connection, call.customer_id).language or "zh-CN"
        except CustomerNotFound:
            return "zh-CN"
    return "zh-CN"

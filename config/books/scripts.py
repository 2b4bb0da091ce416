"""Scripts with a call's data in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.masking import mask_name, mask_number
from access.users import Principal
from config.books.definitions import DefinitionBook
from config.books.registrations import visible
from crm.records.customers import CustomerKind, CustomerNotFound, Honorific
from crm.scripts import scripts, templates
from crm.scripts.honorifics import address
from crm.scripts.scripts import Script, Situation
from storage import customers, vehicles
from storage.database import Database
from storage.sight import Sight, sight
from telephony.calls import Call, Direction
from web.ports.aftercall import Spoken, SpokenStep

_SAMPLE: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-CN": {"name": "王建国", "model": "朗逸 1.5L", "plate": "沪A12345", "agent": "李娜"},
    "en": {"name": "James Miller", "model": "Lavida 1.5L", "plate": "沪A12345", "agent": "Li Na"},
}


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
            situation = Situation(
                queue=call.queue, keys=call.keys, call_type=call_type, direction=call.direction.value
            )
            script = scripts.choose((script for script, _version in offered.values()), situation)
            if script is None:
                return None
            spoken_to = language or _language_of(connection, call)
            chosen, steps = scripts.in_language(script, spoken_to)
            values = self._values(connection, call, viewer, chosen, now)
            return Spoken(
                name=script.name,
                version=offered[script.name][1],
                label=script.label,
                language=chosen,
                steps=[
                    SpokenStep(kind=step.kind, parts=templates.render(step.text, values)) for step in steps
                ],
            )

        return await self._database.read(work)

    async def for_customer(
        self,
        viewer: Principal,
        customer_id: str,
        *,
        names: Sequence[str],
        call_types: Sequence[str],
        language: str | None,
        now: datetime,
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
            try:
                customer = customers.get_customer(connection, customer_id)
            except CustomerNotFound:
                return None
            chosen, steps = scripts.in_language(script, language or customer.language or "zh-CN")
            values = self._house_values(viewer, chosen, now)
            values |= self._customer_values(connection, customer_id, viewer, chosen, now)
            return Spoken(
                name=script.name,
                version=offered[script.name][1],
                label=script.label,
                language=chosen,
                steps=[
                    SpokenStep(kind=step.kind, parts=templates.render(step.text, values)) for step in steps
                ],
            )

        return await self._database.read(work)

    def preview(
        self, script: Script, *, language: str, agent_name: str, known: bool, now: datetime
    ) -> Spoken:
        chosen, steps = scripts.in_language(script, language)
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
            }
        return Spoken(
            name=script.name,
            version=0,
            label=script.label,
            language=chosen,
            steps=[SpokenStep(kind=step.kind, parts=templates.render(step.text, values)) for step in steps],
        )

    def _queue(self, name: str | None, language: str) -> str | None:
        return self._queue_labels.get(name or "", {}).get(language) or name

    def _values(
        self, connection: Connection, call: Call, viewer: Principal, language: str, now: datetime
    ) -> dict[str, str | None]:
        values: dict[str, str | None] = self._house_values(viewer, language, now) | {
            "queue": self._queue(call.queue, language),
            "customer.phone_tail": mask_number(call.number)[-4:] if call.number else None,
        }
        if call.customer_id is None:
            return values
        return values | self._customer_values(connection, call.customer_id, viewer, language, now)

    def _house_values(self, viewer: Principal, language: str, now: datetime) -> dict[str, str | None]:
        return {
            "agent.name": viewer.name,
            "dealership": self._dealership,
            "greeting": scripts.part_of_day(now.astimezone(self._zone).hour, language),
        }

    def _customer_values(
        self, connection: Connection, customer_id: str, viewer: Principal, language: str, now: datetime
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
            # Of several the one that was here last: the agent asks which it is about.
            car, _role = max(cars, key=lambda pair: str(pair[0].last_service_on or ""))
            values |= {
                "vehicle.plate": car.plate,
                "vehicle.model": _model(car.brand, car.model),
                "vehicle.mileage": f"{car.mileage:,}" if car.mileage is not None else None,
                "vehicle.last_service": car.last_service_on.isoformat() if car.last_service_on else None,
            }
        return values


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

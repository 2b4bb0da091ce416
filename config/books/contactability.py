"""Contactability over the database (`web.ports.contactability.Contactability`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_number
from access.requests import Answer as Kept
from access.requests import Once
from access.users import Principal
from crm.consent.consents import BadSwitch, ConsentNotFound
from crm.consent.optouts import Purpose
from crm.records.customers import VehicleNotFound
from storage import audit, consents, idempotency, vehicles
from storage.contactability import House, ask
from storage.database import Database
from storage.merging import current_id
from storage.person import open_customer
from telephony.numbers import readable
from web.ports.contactability import ContactCard, NewConsent, NewSwitch, PurposeAnswer

#: What the card answers, in this order.
_PURPOSES: Final = (Purpose.VISITS, Purpose.REMINDERS, Purpose.ADVERTISING)


class ContactabilityBook:
    """`web.ports.contactability.Contactability`."""

    def __init__(self, database: Database, house: House) -> None:
        self._database = database
        self._house = house

    async def card(self, viewer: Principal, customer_id: str, now: datetime) -> ContactCard:
        def look(connection: Connection) -> ContactCard:
            whose = current_id(connection, customer_id)
            open_customer(connection, viewer, whose, now=now)
            return self._card(connection, viewer, whose, now)

        return await self._database.read(look)

    async def agree(
        self, viewer: Principal, customer_id: str, new: NewConsent, entry: Entry, *, once: Once | None = None
    ) -> ContactCard:
        def work(connection: Connection, whose: str) -> None:
            if once is not None:
                answer = Kept(status=201, body={"made": entry.id}, at=entry.at)
                if idempotency.answer_once(connection, once, answer).body["made"] != entry.id:
                    return  # the same request again: it is there
            made = consents.agree(
                connection,
                customer_id=whose,
                purpose=new.purpose,
                channel=new.channel,
                source=new.source,
                given_at=new.given_at,
                until=new.until,
                proof=new.proof,
                now=entry.at,
                by=viewer,
            )
            audit.append(connection, replace(entry, data={**entry.data, "consent": made.id}))

        return await self._write(viewer, customer_id, entry, work)

    async def withdraw(
        self, viewer: Principal, customer_id: str, consent_id: str, why: str, entry: Entry
    ) -> ContactCard:
        def work(connection: Connection, whose: str) -> None:
            found = consents.consent_of(connection, consent_id)
            if found is None or found.customer_id != whose:
                raise ConsentNotFound("There is no such consent of this customer. Nothing was changed.")
            if consents.withdraw_consent(connection, consent_id, why=why, now=entry.at, by_name=viewer.name):
                audit.append(connection, entry)

        return await self._write(viewer, customer_id, entry, work)

    async def turn_off(
        self, viewer: Principal, customer_id: str, new: NewSwitch, entry: Entry
    ) -> ContactCard:
        def work(connection: Connection, whose: str) -> None:
            if new.until is not None and new.until <= entry.at:
                raise BadSwitch("A switch cannot end before now. Nothing was changed.", field="until")
            if new.vehicle_id is not None:
                _check_vehicle(connection, new.vehicle_id, whose)
            made = consents.turn_off(
                connection,
                customer_id=whose,
                vehicle_id=new.vehicle_id,
                purpose=new.purpose,
                channel=new.channel,
                reason=new.reason,
                until=new.until,
                now=entry.at,
                by=viewer,
            )
            if made.off_at == entry.at:
                audit.append(connection, replace(entry, data={**entry.data, "switch": made.id}))

        return await self._write(viewer, customer_id, entry, work)

    async def turn_on(self, viewer: Principal, customer_id: str, switch_id: str, entry: Entry) -> ContactCard:
        def work(connection: Connection, whose: str) -> None:
            found = consents.switch_of(connection, switch_id)
            if found is None or found.customer_id != whose:
                raise ConsentNotFound("There is no such switch of this customer. Nothing was changed.")
            if consents.turn_on(connection, found, now=entry.at, by_name=viewer.name):
                audit.append(connection, entry)

        return await self._write(viewer, customer_id, entry, work)

    async def _write(
        self,
        viewer: Principal,
        customer_id: str,
        entry: Entry,
        work: Callable[[Connection, str], None],
    ) -> ContactCard:
        def whole(connection: Connection) -> ContactCard:
            whose = current_id(connection, customer_id)
            open_customer(connection, viewer, whose, now=entry.at)
            work(connection, whose)
            return self._card(connection, viewer, whose, entry.at)

        return await self._database.write(whole)

    def _card(
        self, connection: Connection, viewer: Principal, customer_id: str, now: datetime
    ) -> ContactCard:
        return ContactCard(
            customer_id=customer_id,
            answers=[self._answer(connection, viewer, customer_id, purpose, now) for purpose in _PURPOSES],
            consents=consents.consents_of(connection, customer_id),
            switches=consents.switches_of(connection, customer_id),
        )

    def _answer(
        self, connection: Connection, viewer: Principal, customer_id: str, purpose: Purpose, now: datetime
    ) -> PurposeAnswer:
        """Of the number that may be called first."""
        asked = ask(connection, self._house, customer_id=customer_id, purpose=purpose, now=now)
        timed = [one for one in asked if one.when is not None]
        best = min(timed, key=lambda one: one.when or now) if timed else asked[0]
        shown = ""
        if best.number is not None:
            shown = readable(best.number) if viewer.sees_numbers else mask_number(best.number)
        return PurposeAnswer(purpose=purpose, number=shown, answer=best.answer, when=best.when)


def _check_vehicle(connection: Connection, vehicle_id: str, customer_id: str) -> None:
    if vehicle_id not in {vehicle.id for vehicle, _role in vehicles.vehicles_of(connection, customer_id)}:
        raise VehicleNotFound("This vehicle is not one of the customer's. Nothing was changed.")

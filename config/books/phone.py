"""Telephones in pages over the database and the switch (`web.ports.phone.BrowserPhones`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import ip_address

from sqlalchemy import Connection

from access.audit import Entry
from access.users import Principal
from config.settings import Settings
from storage import audit, phones
from storage.database import Database
from telephony.clock import Clock
from telephony.desk import AgentDesk, NoSuchPhone
from telephony.phones import Phone, PhoneKind
from telephony.returning import Returning
from web.ports.phone import IceServer, OwnPhone, PhoneKey, PhoneOffer, Waiting


def offer_of(settings: Settings) -> PhoneOffer:
    """What pages are told. On this machine alone they may also reach Asterisk's own port."""
    options = settings.telephony.browser_phone
    switch_url = f"ws://127.0.0.1:{settings.telephony.switch.http_port}/ws"
    direct = options.direct_url
    if not direct and _is_loopback(settings.web.host) and not settings.web.public_url:
        direct = switch_url  # Asterisk listens on 127.0.0.1 alone, also where we are at ::1 or localhost
    return PhoneOffer(
        switch_url=switch_url,
        direct_url=direct,
        ice=tuple(
            IceServer(urls=tuple(one.urls), username=one.username, credential=one.credential)
            for one in options.ice_servers
        ),
        auto_answer=options.auto_answer,
        reload_seconds=options.reload_seconds,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class PhoneBook:
    """Secrets from the database; calls that wait for a page from `telephony.returning`."""

    def __init__(
        self,
        database: Database,
        *,
        offer: PhoneOffer,
        agents: AgentDesk,
        returning: Returning,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is told of a new secret, which the switch's files must get."""
        self._database = database
        self._offer = offer
        self._agents = agents
        self._returning = returning
        self._clock = clock
        self._changed = changed

    @property
    def offer(self) -> PhoneOffer:
        """What pages are told."""
        return self._offer

    async def own(self, user_id: str) -> Sequence[OwnPhone]:
        """The user's phones; the one in the page first, which rings where he never chose another."""
        found = await self._database.read(lambda connection: phones.own_phones(connection, user_id))
        agent = self._agents.board.get(user_id)
        named = {phone.endpoint for phone in found}
        chosen = agent.phone if agent is not None and agent.phone in named else ""
        chosen = chosen or next(iter(phone.endpoint for phone in found), "")
        return [
            OwnPhone(endpoint=one.endpoint, kind=one.kind, chosen=one.endpoint == chosen) for one in found
        ]

    async def use(self, user_id: str, kind: PhoneKind, entry: Entry) -> None:
        """The other phone from now on."""
        phone = next((one for one in await self.own(user_id) if one.kind is kind), None)
        if phone is None and entry.actor_id == user_id:
            raise NoSuchPhone("You have no telephone of this kind; an administrator can give you one.")
        if phone is None:
            raise NoSuchPhone("This person has no telephone of this kind.")
        await self._agents.use_phone(user_id, phone.endpoint, actor=entry.actor_id or "service")
        await self._database.write(lambda connection: audit.append(connection, entry))

    async def renew(self, user_id: str, kind: PhoneKind, entry: Entry) -> PhoneKey:
        """What the phone registers with from now on; the switch reads it within seconds."""

        def work(connection: Connection) -> Phone:
            found = phones.renew(connection, user_id, kind, self._clock.now())
            if found is None:
                raise NoSuchPhone("This person has no telephone of this kind.")
            audit.append(connection, entry)
            return found

        phone = await self._database.write(work)
        self._changed()
        return PhoneKey(endpoint=phone.endpoint, secret=phone.secret, fresh=True)

    async def sign_on(self, viewer: Principal, since: datetime, entry: Entry) -> PhoneKey:
        """A secret for the viewer's page; asking is written down in the same transaction."""
        user_id = viewer.user_id or ""

        def work(connection: Connection) -> tuple[Phone, bool]:
            found = phones.sign_on(connection, user_id, since=since, now=self._clock.now())
            if found is None:
                raise NoSuchPhone("You have no telephone in the page; an administrator can give you one.")
            audit.append(connection, entry)
            return found

        phone, fresh = await self._database.write(work)
        if fresh:
            self._changed()
        return PhoneKey(endpoint=phone.endpoint, secret=phone.secret, fresh=fresh)

    async def gone(self, user_id: str) -> None:
        """The page is gone: whoever talks with it waits."""
        for phone in await self.own(user_id):
            if phone.kind is PhoneKind.BROWSER:
                await self._returning.gone(user_id, phone.endpoint)

    async def back(self, user_id: str) -> Waiting | None:
        """A page is there again: whoever waits is brought back."""
        found = await self._returning.back(user_id)
        return None if found is None else Waiting(call_id=found.call_id, held=found.held and not found.leg)

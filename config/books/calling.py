"""Calling through lists by hand (`web.ports.calling.Calling`): the dial is an attempt like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number
from access.permissions import Permission
from access.requests import Answer, Once
from access.sentences import Sentence
from access.users import Principal
from campaigns.attempts import Attempt
from campaigns.campaigns import BadCampaign, Campaign
from campaigns.targets import Target, TargetNotFound, TargetOver
from config.dialing import DialBook
from crm.contacts.contacts import ReasonState
from storage import (
    attempts,
    audit,
    campaign_targets,
    campaign_work,
    campaigns,
    customers,
    idempotency,
    vehicles,
)
from storage.contactability import House
from storage.contacts import reasons_of
from storage.database import Database
from storage.phones import own_phones
from storage.sight import Sight, sights
from telephony.agents import Agent, AgentState
from telephony.clock import Clock
from telephony.control import Control
from telephony.desk import AgentDesk, NoSuchPhone
from telephony.numbers import readable
from telephony.ports import ActionUnknown, Placing, SwitchError
from web.ports.calling import CallingCampaign, CallingCard, CallingDesk, NewCallBack

#: Due targets are counted up to so many.
_MOST_COUNTED: Final = 500


class Hands:
    """What an agent's own dial needs of the telephone side."""

    def __init__(self, agents: AgentDesk, control: Control, clock: Clock) -> None:
        self._agents = agents
        self._control = control
        self._clock = clock

    def agent(self, agent_id: str) -> Agent | None:
        """The agent as last committed."""
        return self._agents.board.get(agent_id)

    async def turn(self, number: str) -> None:
        """Wait until the number may leave. Raises DialRefused, TooManyCalls."""
        await self._control.check_fences(number)
        if wait := self._control.pace.reserve(self._clock.monotonic()):
            await asyncio.sleep(wait)

    async def place(self, agent_id: str, placing: Placing) -> None:
        """Ring him, then the number. Raises SwitchError."""
        await self._agents.dials(agent_id, call_id=placing.call_id)
        await self._control.switch.place(placing)

    async def came_to_nothing(self, agent_id: str, call_id: str) -> None:
        """He is what he was before."""
        await self._agents.dialed_nothing(agent_id, call_id=call_id)


class CallingBook:
    """`web.ports.calling.Calling`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        house: House,
        book: DialBook,
        hands: Hands,
        node: str,
        queues: Mapping[str, object],
    ) -> None:
        """`book` keeps the protocol of attempts; `hands` lead to the switch."""
        self._database = database
        self._clock = clock
        self._house = house
        self._book = book
        self._hands = hands
        self._node = node
        self._queues = queues

    async def desk(self, viewer: Principal, now: datetime) -> CallingDesk:
        agent_id, queues = self._agent(viewer), self._queues_of(viewer)

        def look(connection: Connection) -> CallingDesk:
            found = [
                CallingCampaign(
                    campaign=one,
                    due=len(campaign_targets.due(connection, one.id, now, _MOST_COUNTED, agent_id=agent_id)),
                )
                for one in campaign_work.workable(connection, queues)
            ]
            held = campaign_work.held_of(connection, agent_id, now)
            promised = campaign_work.call_backs(connection, agent_id, queues)
            return CallingDesk(
                campaigns=found,
                held=None if held is None else self._card(connection, viewer, held, now),
                call_backs=[self._card(connection, viewer, one, now) for one in promised],
            )

        return await self._database.read(look)

    async def next(self, viewer: Principal, campaign_id: str, now: datetime) -> CallingCard | None:
        agent_id = self._agent(viewer)

        def work(connection: Connection) -> CallingCard | None:
            campaign = campaigns.get(connection, campaign_id)
            if campaign.id not in {one.id for one in campaign_work.workable(connection, [campaign.queue])}:
                raise TargetOver(
                    "Nobody calls through this campaign by hand just now. Nothing was changed; a supervisor can "
                    "start it."
                )
            found = campaign_work.next_for(connection, campaign, viewer, agent_id, self._house, now)
            return None if found is None else self._card(connection, viewer, found, now)

        return await self._database.write(work)

    async def leave(self, viewer: Principal) -> None:
        agent_id = self._agent(viewer)
        await self._database.write(lambda c: campaign_work.let_go(c, agent_id))

    async def dial(self, viewer: Principal, target_id: str, once: Once | None, now: datetime) -> str:
        agent_id = self._agent(viewer)
        phone = await self._phone(agent_id)
        if once is not None:
            kept = await self._database.read(lambda c: idempotency.find_answer(c, once))
            if kept is not None:
                return str(kept.body["call_id"])

        def look(connection: Connection) -> tuple[Campaign, attempts.Proposal]:
            self._reach(connection, viewer, target_id, now)
            return campaign_work.propose_by_hand(connection, target_id, agent_id, self._house, now)

        campaign, proposal = await self._database.read(look)
        await self._hands.turn(proposal.number)

        def claim(connection: Connection) -> Attempt:
            moment = self._clock.now()
            claimed = campaign_work.claim(
                connection, proposal, node=self._node, agent_id=agent_id, now=moment
            )
            if once is not None:
                answer = Answer(status=202, body={"call_id": claimed.id}, at=moment)
                idempotency.answer_once(connection, once, answer)
            return claimed

        attempt = await self._database.write(claim)
        await self._book.open_calls([attempt])
        placing = Placing(
            call_id=attempt.id,
            agent_endpoint=phone,
            number=attempt.number,
            caller_id=campaign.caller_id,
            ring_seconds=campaign.rules.ring_seconds,
        )
        try:
            await self._hands.place(agent_id, placing)
        except ActionUnknown:
            raise  # the call log tells, or nobody can; the key stays bound, so that nobody is rung twice
        except SwitchError:
            await self._book.give_back([attempt], "not_sent")
            await self._hands.came_to_nothing(agent_id, attempt.id)
            if once is not None:
                await self._database.write(lambda c: idempotency.forget_answer(c, once))
            raise
        await self._book.submitted([attempt])
        return str(attempt.id)

    async def skip(
        self, viewer: Principal, target_id: str, reason: str, until: datetime, entry: Entry
    ) -> CallingCard:
        agent_id = self._agent(viewer)

        def work(connection: Connection) -> CallingCard:
            self._reach(connection, viewer, target_id, entry.at)
            _ahead(until, entry.at)
            after = campaign_work.skip(
                connection,
                target_id,
                agent_id=agent_id,
                by=viewer.name,
                reason=reason,
                until=until,
                now=entry.at,
            )
            audit.append(connection, entry)
            return self._card(connection, viewer, after, entry.at)

        return await self._database.write(work)

    async def call_back(
        self, viewer: Principal, target_id: str, new: NewCallBack, entry: Entry
    ) -> CallingCard:
        agent_id = self._agent(viewer)

        def work(connection: Connection) -> CallingCard:
            before = self._reach(connection, viewer, target_id, entry.at)
            _ahead(new.at, entry.at)
            others = new.agent_id not in ("", agent_id) or (before.callback_of not in (None, "", agent_id))
            if others and not viewer.may(Permission.CAMPAIGNS_WRITE):
                raise TargetOver(
                    "Call-backs of colleagues are given to others by a supervisor. Nothing was changed."
                )
            if new.agent_id and self._hands.agent(new.agent_id) is None:
                raise TargetOver(
                    Sentence("There is no such agent: {given}. Nothing was changed.", given=new.agent_id)
                )
            after = campaign_work.call_back(
                connection,
                target_id,
                at=new.at,
                agent_id=new.agent_id,
                by=viewer.name,
                note=new.note,
                now=entry.at,
            )
            audit.append(connection, entry)
            return self._card(connection, viewer, after, entry.at)

        return await self._database.write(work)

    def _card(self, connection: Connection, viewer: Principal, target: Target, now: datetime) -> CallingCard:
        campaign: Campaign = campaigns.get(connection, target.campaign_id)
        customer = customers.several(connection, [target.customer_id]).get(target.customer_id)
        seen = sights(connection, viewer, [target.customer_id], now).get(target.customer_id)
        name = "" if customer is None else customer.name
        asked = attempts.consider(connection, campaign, target, self._house, now, agent_reserved=True)
        vehicle = None if target.vehicle_id is None else vehicles.get_vehicle(connection, target.vehicle_id)
        reasons = []
        if target.contact_id is not None:
            found = reasons_of(connection, [target.contact_id]).get(target.contact_id, [])
            reasons = [one.kind.value for one in found if one.state is ReasonState.OPEN]
        number = asked.number if asked.verdict is attempts.Verdict.DIAL else ""
        if number:
            number = readable(number) if viewer.sees_numbers else mask_number(number)
        return CallingCard(
            target=target,
            campaign=campaign,
            customer_name=name if viewer.sees_names and seen is Sight.OPEN else mask_name(name),
            customer_number="" if customer is None else customer.number,
            number=number,
            refused="" if number else str(asked.why.get("rule") or ""),
            plate="" if vehicle is None else vehicle.plate or "",
            model="" if vehicle is None else vehicle.model or "",
            reasons=reasons,
        )

    def _reach(self, connection: Connection, viewer: Principal, target_id: str, now: datetime) -> Target:
        """A target whose customer's record is open to this person. Raises TargetNotFound."""
        target = campaign_targets.get(connection, target_id)
        seen = {} if target is None else sights(connection, viewer, [target.customer_id], now)
        if target is None or seen.get(target.customer_id) is not Sight.OPEN:
            raise TargetNotFound("There is no such target. Nothing was changed.")
        return target

    def _agent(self, viewer: Principal) -> str:
        if viewer.user_id is None:
            raise NoSuchPhone("Only a person with a telephone calls through a list. Nothing was changed.")
        return viewer.user_id

    def _queues_of(self, viewer: Principal) -> list[str]:
        """Those he is signed in to; who is not signed in, or looks after others, sees all."""
        agent = self._hands.agent(viewer.user_id or "")
        signed_in = agent is not None and agent.state is not AgentState.SIGNED_OUT
        if agent is None or not signed_in or viewer.may(Permission.CAMPAIGNS_READ):
            return list(self._queues)
        return list(agent.queues)

    async def _phone(self, agent_id: str) -> str:
        agent = self._hands.agent(agent_id)
        if agent is not None and agent.state is not AgentState.SIGNED_OUT and agent.phone:
            return agent.phone
        found = await self._database.read(lambda c: own_phones(c, agent_id))
        if not found:
            raise NoSuchPhone("This person has no telephone; an administrator can give one.")
        return found[0].endpoint


def _ahead(moment: datetime, now: datetime) -> None:
    """Raise BadCampaign for a moment that is over or too far away."""
    if not now < moment <= now + campaign_work.LONGEST_AHEAD:
        raise BadCampaign(
            "The moment of the next call lies ahead, at most 60 days. Nothing was changed.", field="at"
        )

"""An agent's desk without a switch: real rows, a real journal, and the facts a switch would tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fixtures_web import Office
from sqlalchemy import Connection

from access.ids import new_id
from access.users import User
from crm.records.customers import Honorific
from crm.records.vehicles import Role
from storage import agents, customers, vehicles
from telephony.agents import Agent, AgentEvent, AgentState, Rules, step
from telephony.calls import Call
from telephony.facts import Fact, FactKind, Source
from telephony.numbers import E164
from telephony.tracker import call_id


def endpoint_of(user: User) -> str:
    return f"p{user.login}"


@dataclass
class Switchboard:
    """Tells an office what Asterisk would."""

    office: Office

    def own_phone(self, login: str) -> None:
        user = self.office.users[login]
        self.office.owners[endpoint_of(user)] = user.id

    def agent(self, login: str, state: AgentState = AgentState.READY, **values: Any) -> Agent:
        """Write the agent's row, and tell his pages."""
        user = self.office.users[login]
        now = self.office.clock.now()
        agent = Agent(
            id=user.id,
            name=user.name,
            state=state,
            since=now,
            phone=endpoint_of(user),
            queues={"service": 0},
            **values,
        )
        self.office.database.write_now(
            lambda connection: agents.save(connection, agent, event="test", now=now)
        )
        self.office.pops.agent_changed(agent)
        return agent

    def steps(self, agent: Agent, *events: AgentEvent, **values: Any) -> Agent:
        """Let the agent go through these steps, each committed and told."""
        for event in events:
            now = self.office.clock.now()
            agent = step(agent, event, now, Rules(), **values)
            kept, what = agent, event.value
            self.office.database.write_now(
                lambda connection, kept=kept, what=what, now=now: agents.save(
                    connection, kept, event=what, now=now
                )
            )
            self.office.pops.agent_changed(agent)
        return agent

    async def call(self, raw: str = "13812345678", *, keys: str = "", name: str = "", **more: Any) -> Call:
        """A caller is in the menu: the row is there."""
        now = self.office.clock.now() - timedelta(seconds=42)
        linkedid = f"careline-{int(now.timestamp())}.{new_id(now)[-6:]}"
        leg = {
            "caller": raw,
            "called": "4008001234",
            "name": name,
            "trunk": True,
            "direction": "inbound",
            "channel": "PJSIP/trunk-1",
        }
        facts = [
            self.fact(FactKind.LEG_STARTED, linkedid, at=now, **leg),
            self.fact(
                FactKind.IVR_STARTED,
                linkedid,
                at=now,
                call_id=call_id("careline", linkedid, now),
                flow="service",
                caller=raw,
                called="4008001234",
            ),
        ]
        for place, part in enumerate(keys.split()):
            node, _, typed = part.partition("=")
            at = now + timedelta(seconds=place + 1)
            facts.append(self.fact(FactKind.IVR_STEP, linkedid, at=at, node=node, keys=typed, outcome=""))
        at = now + timedelta(seconds=10)
        facts.append(self.fact(FactKind.QUEUED, linkedid, at=at, queue="service", position=1, **more))
        await self.office.journal.record(*facts)
        live = self.office.journal.live_of(linkedid)
        assert live is not None
        return live

    def fact(self, kind: FactKind, linkedid: str, *, at: Any = None, **data: Any) -> Fact:
        at = at or self.office.clock.now()
        return Fact(
            source=Source.AMI,
            key=f"{kind}/{linkedid}/{data.get('endpoint', '')}{at.isoformat()}{len(data)}{data.get('node', '')}",
            kind=kind,
            at=at,
            linkedid=linkedid,
            uniqueid=linkedid,
            data=data,
        )

    async def tell(self, kind: FactKind, login: str, call: Call, *, stored: bool = True, **data: Any) -> None:
        """A fact of this agent's leg; `stored` False: its commit comes later than the page."""
        user = self.office.users[login]
        fact = self.fact(kind, call.linkedid, endpoint=endpoint_of(user), agent=user.id, **data)
        self.office.pops.heard([fact])
        if stored:
            await self.office.journal.record(fact)

    async def ring(self, login: str, call: Call, *, stored: bool = True) -> None:
        await self.tell(FactKind.RINGING, login, call, stored=stored, queue="service")

    def customer(
        self, name: str, *numbers: str, honorific: Honorific = Honorific.MR, plate: str = "", **more: Any
    ) -> str:
        """A customer with numbers, and a car where a plate is given."""
        now = self.office.clock.now()

        def work(connection: Connection) -> str:
            one = customers.add_customer(connection, name=name, now=now, honorific=honorific, **more)
            for number in numbers:
                customers.add_contact(connection, one.id, E164(number), now, primary=number == numbers[0])
            if plate:
                car = vehicles.add_vehicle(
                    connection, now=now, plate=plate, brand="大众", model="帕萨特 330TSI", mileage=41200
                )
                vehicles.add_person(connection, car.id, one.id, Role.OWNER, now)
            return one.id

        return str(self.office.database.write_now(work))


__all__ = ["Switchboard", "endpoint_of"]

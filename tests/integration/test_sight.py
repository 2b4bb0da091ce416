"""Who may open which record: approvals open it everywhere and for a time, and agents see their own (M-048, M-050)."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from fixtures_web import Browser, Office
from sqlalchemy import update
from sweep_objects import NAME, NUMBER, NUMBER_WRITTEN, body_for, customer

from access.permissions import GRANTS, Role
from access.users import Principal, Via
from crm.exports.jobs import ExportKind
from crm.groups.groups import GroupKind
from crm.records.vehicles import Role as Part
from crm.tasks.tasks import TaskKind
from storage import audit, exports, groups, registrations, tasks, vehicles
from storage.tables import metadata
from telephony.agents import AgentState
from telephony.calls import CallState
from web.app import ROUTES
from web.routes import Route

PLATE = "沪A12345"
_CUSTOMERS = metadata.tables["customers"]


def plant(office: Office, **values: Any) -> tuple[str, str]:
    """The planted customer with a car; ids of both."""
    whose, now = customer(office), office.clock.now()

    def work(connection: Any) -> str:
        car = vehicles.add_vehicle(connection, now=now, model="Golf", plate=PLATE)
        vehicles.add_person(connection, car.id, whose, Part.OWNER, now)
        connection.execute(update(_CUSTOMERS).where(_CUSTOMERS.c.id == whose).values(**values))
        return str(car.id)

    return whose, office.database.write_now(work)


def static_group(office: Office, person: str) -> str:
    now = office.clock.now()
    by = Principal(role=Role.SUPERVISOR, via=Via.COMMAND, name="Supervisor")

    def work(connection: Any) -> str:
        made = groups.add_group(connection, name="名单", kind=GroupKind.STATIC, now=now, by=by)
        groups.put_in(connection, made.id, [person], by="", now=now)
        return str(made.id)

    return office.database.write_now(work)


async def seen(
    office: Office, agent: Browser, whose: str, car: str, group: str, call: str
) -> dict[str, bool]:
    """Where the agent reads the name or the plate."""
    found = {}
    for what, path in {
        "head": f"/api/v1/customers/{whose}",
        "page": f"/customers/{whose}",
        "timeline": f"/api/v1/customers/{whose}/timeline",
        "vehicle": f"/api/v1/vehicles/{car}",
        "search": f"/api/v1/search?q={PLATE}",
        "list": "/api/v1/customers",
        "group": f"/api/v1/groups/{group}/members",
    }.items():
        answer = await agent.get(path)
        text = await answer.text()
        found[what] = answer.status == 200 and (NAME in text or what == "timeline")
    user = office.users["agent"]
    viewer = Principal(role=Role.AGENT, via=Via.SESSION, name="agent", user_id=user.id)
    pop = await office.pops.pop(viewer, call)
    found["pop"] = pop.person is not None and pop.person.name == NAME
    page = office.database.read_now(
        lambda c: exports.read_page(c, viewer, ExportKind.CUSTOMERS, {}, None, office.clock.now())
    )
    found["export"] = any(PLATE in [str(cell) for cell in row] for row in page.rows)
    return found


async def test_m048_an_approval_opens_the_record_everywhere_and_only_for_its_time(
    office_on_each: Office,
) -> None:
    office = office_on_each
    whose, car = plant(office, secrecy="restricted")
    group = static_group(office, whose)
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    call = office.add_call(agent_id=office.users["agent"].id, customer_id=whose, number=NUMBER).id
    before = await seen(office, agent, whose, car, group, call)
    assert not any(before.values()), before
    asked = await (await agent.post("/api/v1/approvals", {"customer_id": whose, "reason": "客户来电"})).json()
    await supervisor.post(f"/api/v1/approvals/{asked['id']}/decide", {"granted": True, "hours": 1})
    during = await seen(office, agent, whose, car, group, call)
    assert all(during.values()), during
    other = office.add_user("other", Role.AGENT)
    elsewhere = await (await office.signed_in(other.login)).get(f"/api/v1/customers/{whose}")
    assert (await elsewhere.json())["closed"], "it is open to who asked, to nobody else"
    office.clock.advance(3601)
    after = await seen(office, agent, whose, car, group, call)
    assert not any(after.values()), after


async def test_agents_see_their_own_and_unowned_customers_where_the_house_says_so(
    office_on_each: Office,
) -> None:
    office = office_on_each
    other = office.add_user("other", Role.AGENT)
    whose, car = plant(office, own_agent_id=other.id)
    group = static_group(office, whose)
    agent = await office.signed_in("agent")
    call = office.add_call(agent_id=office.users["agent"].id, customer_id=whose, number=NUMBER).id
    free = await seen(office, agent, whose, car, group, call)
    assert all(free.values()), free
    office.database.use(agents_see="own+unowned")
    hidden = await seen(office, agent, whose, car, group, call)
    assert not any(hidden.values()), hidden
    assert (await agent.get(f"/api/v1/customers/{whose}")).status == 404
    owner = await seen(office, await office.signed_in("other"), whose, car, group, call)
    assert owner["head"]
    assert owner["search"]
    assert owner["group"]
    supervisor = await office.signed_in("supervisor")
    assert NAME in await (await supervisor.get(f"/api/v1/customers/{whose}")).text()
    office.database.write_now(
        lambda c: c.execute(update(_CUSTOMERS).where(_CUSTOMERS.c.id == whose).values(own_agent_id=None))
    )
    unowned = await seen(office, agent, whose, car, group, call)
    assert all(unowned.values()), unowned


async def test_a_call_with_the_agent_opens_its_customer_and_leaves_a_trace(office_on_each: Office) -> None:
    office = office_on_each
    other = office.add_user("other", Role.AGENT)
    whose, _car = plant(office, own_agent_id=other.id)
    office.database.use(agents_see="own+unowned")
    agent = await office.signed_in("agent")
    user_id = office.users["agent"].id
    ringing = office.add_call(state=CallState.RINGING, number=NUMBER)
    path = f"/api/v1/customers/{whose}"
    assert (await agent.get(path)).status == 404, "it rings at somebody else"
    agents = metadata.tables["agents"]
    row = {
        "user_id": user_id,
        "state": AgentState.RINGING.value,
        "since": office.clock.now(),
        "queues": [],
        "call_id": ringing.id,
    }
    office.database.write_now(lambda c: c.execute(agents.insert().values(**row)))
    assert (await agent.get(path)).status == 200
    assert (await agent.get(f"{path}/timeline")).status == 200
    await office.views.flush()
    told = office.database.read_now(
        lambda c: audit.list_entries(c, action="viewed", subject=f"customer:{whose}")
    )
    assert {one.actor_name for one in told} == {"agent"}
    office.database.write_now(lambda c: c.execute(update(agents).values(call_id=None, state="ready")))
    assert (await agent.get(path)).status == 404
    named = await agent.post(f"/api/v1/calls/{ringing.id}/customer", {"customer_id": whose})
    assert named.status in (403, 404), "no call of his: nobody opens a record by naming it"


async def test_no_route_that_names_a_customer_tells_of_one_out_of_scope(office: Office) -> None:
    other = office.add_user("other", Role.AGENT)
    whose, car = plant(office, own_agent_id=other.id)
    office.database.use(agents_see="own+unowned")
    agent = await office.signed_in("agent")
    asked = 0
    for route in ROUTES:
        named = "{customer_id}" in route.path or "{vehicle_id}" in route.path
        if not named or route.needs not in GRANTS[Role.AGENT]:
            continue
        path = (
            route.path.replace("{customer_id}", whose)
            .replace("{vehicle_id}", car)
            .replace("{number_id}", "0")
        )
        headers = {"X-CSRF-Token": agent.csrf}
        more: dict[str, Any] = {}
        if route.page is not None and route.method != "GET":
            more["data"] = {
                "csrf": agent.csrf,
                "number": "13900000000",
                "name": "x",
                "version": "1",
                "role": "owner",
            }
        elif route.method != "GET":
            more["json"] = body_for(route.method, route.path, route.body)
            more["json"] |= {"number": "13900000000"} if "number" in more["json"] else {}
        answer = await agent.session.request(
            route.method, office.base + path, headers=headers, allow_redirects=False, **more
        )
        text = await answer.text()
        asked += 1
        assert answer.status == 404, (route.method, route.path, answer.status, text[:300])
        assert not [one for one in (NAME, PLATE, *NUMBER_WRITTEN) if one in text], (route.method, route.path)
    assert asked >= 15


def choices(route: Route) -> list[dict[str, str]]:
    """Queries of a list: none, and each value of every parameter that has only some."""
    found: list[dict[str, str]] = [{}]
    for name, field in route.query.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if get_origin(part) is Literal:
                found += [{name: str(value)} for value in get_args(part)]
            elif isinstance(part, type) and issubclass(part, StrEnum):
                found += [{name: one.value} for one in part]
    return found


LISTS = [
    route
    for route in ROUTES
    if route.method == "GET"
    and "{" not in route.path
    and route.needs in GRANTS[Role.AGENT]
    and "event-stream" not in route.media
]


async def test_no_list_tells_an_agent_of_a_customer_out_of_scope(office: Office) -> None:
    other, mine = office.add_user("other", Role.AGENT), office.users["agent"].id
    whose, car = plant(office, own_agent_id=other.id)
    now = office.clock.now()
    secret = "住朝阳区的那位"
    supervisor, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    order = {"customer_id": whose, "vehicle_id": car, "field": "plate", "wrong_value": PLATE, "said": secret}
    assert (await supervisor.post("/api/v1/corrections", order)).status == 201
    call = office.add_call(
        agent_id=mine, customer_id=whose, number=NUMBER, connected_at=now, queue="service", ended_at=now
    )

    def work(connection: Any) -> list[str]:
        registrations.react_to_call(connection, None, call, ())
        static = groups.add_group(
            connection,
            name="名单",
            kind=GroupKind.STATIC,
            now=now,
            by=Principal(role=Role.SUPERVISOR, via=Via.COMMAND, name="Supervisor"),
        )
        groups.put_in(connection, static.id, [whose], by="", now=now)
        made = [
            tasks.add_task(
                connection,
                kind=TaskKind.FOLLOW_UP,
                occasion=f"scope {number}",
                now=now,
                due_at=now + timedelta(minutes=number),
                subject=f"{NAME}，{secret}",
                number=NUMBER,
                customer_id=whose,
                owner_id=owner,
            )[0]
            for number, owner in enumerate((None, other.id))
        ]
        tasks.close_task(connection, made[1].id, other.id, secret, now)
        return [one.id for one in made]

    open_one, _closed = office.database.write_now(work)

    async def told(reader: Any) -> dict[str, list[str]]:
        found = {}
        for route in LISTS:
            for query in choices(route):
                answer = await reader.session.get(
                    office.base + route.path, params=query, allow_redirects=False
                )
                text = await answer.text()
                assert answer.status < 500, (route.path, query, text[:300])
                if words := [one for one in (NAME, PLATE, secret, *NUMBER_WRITTEN) if one in text]:
                    found[f"{route.path} {query}"] = words
        return found

    everything = await told(agent)
    assert {"/api/v1/tasks {}", "/api/v1/customers {}", "/api/v1/corrections {}", "/api/v1/unfiled {}"} <= (
        everything.keys()
    ), "the planted things are in the lists where everybody sees everybody"
    office.database.use(agents_see="own+unowned")
    assert await told(agent) == {}
    for what, body in (("claim", {}), ("close", {"result": "done"})):
        refused = await agent.post(f"/api/v1/tasks/{open_one}/{what}", body)
        assert (refused.status, (await refused.json())["error_id"]) == (404, "task-not-found"), what
    given = await supervisor.post(f"/api/v1/tasks/{open_one}/assign", {"owner_id": mine})
    assert given.status == 200, await given.text()
    assert open_one in await (await agent.get("/api/v1/tasks")).text(), "what was given to him is his to do"


async def test_an_approval_opens_the_name_in_lists_of_calls_for_its_time(office: Office) -> None:
    whose, _car = plant(office, secrecy="restricted")
    mine, now = office.users["agent"].id, office.clock.now()
    call = office.add_call(agent_id=mine, customer_id=whose, number=NUMBER, connected_at=now, queue="service")
    office.database.write_now(lambda c: registrations.react_to_call(c, None, call, ()))
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")

    async def named() -> list[bool]:
        return [
            NAME in await (await agent.get(where)).text() for where in ("/api/v1/unfiled", "/registrations")
        ]

    assert await named() == [False, False]
    asked = await (await agent.post("/api/v1/approvals", {"customer_id": whose, "reason": "补登记"})).json()
    await supervisor.post(f"/api/v1/approvals/{asked['id']}/decide", {"granted": True, "hours": 1})
    assert await named() == [True, True]
    office.clock.advance(3601)
    assert await named() == [False, False]

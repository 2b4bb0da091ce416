"""The page of one of the people: telephones that can be seen and changed, and departments to choose from."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from fixtures_storage import FrozenClock
from fixtures_web import NoPhones, Office
from sqlalchemy import Connection

from access.ids import new_id
from access.permissions import Role
from access.users import User
from storage import agents, phones, users
from storage.database import Database
from telephony.phones import PhoneKind
from web.ports.phone import OwnPhone


def test_a_desk_telephone_gets_a_secret_of_its_own(database: Database, clock: FrozenClock) -> None:
    now = clock.now()
    user = User(
        id=new_id(now), login="a", name="A", role=Role.AGENT, language="en", theme="auto", created_at=now
    )

    def work(c: Connection) -> None:
        users.insert_user(c, user, password_hash="x")
        assert phones.renew(c, user.id, PhoneKind.DESK, now) is None
        before = {phone.kind: phone for phone in agents.give_phones(c, user.id, now)}
        renewed = phones.renew(c, user.id, PhoneKind.DESK, now)
        after = {phone.kind: phone for phone in phones.own_phones(c, user.id)}
        assert renewed == after[PhoneKind.DESK] != before[PhoneKind.DESK]
        assert after[PhoneKind.BROWSER] == before[PhoneKind.BROWSER], "the other one goes on"

    database.write_now(work)


async def test_telephones_and_departments_stand_on_the_page(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def own(_self: NoPhones, _user: str) -> Sequence[OwnPhone]:
        return [
            OwnPhone(endpoint="pbrowser", kind=PhoneKind.BROWSER, chosen=True),
            OwnPhone(endpoint="pdesk", kind=PhoneKind.DESK, chosen=False),
        ]

    monkeypatch.setattr(NoPhones, "own", own)
    path = f"/people/{office.users['agent'].id}"
    admin, supervisor = await office.signed_in("admin"), await office.signed_in("supervisor")
    page = await (await admin.get(path)).text()
    assert "pbrowser" in page
    assert '<button name="kind" value="desk">' in page
    assert '<option value="service">' in page
    seen = await (await supervisor.get(path)).text()
    assert "pdesk" in seen
    assert 'name="kind"' not in seen, "who may not change people only sees them"
    listed = await (await supervisor.get(f"/api/v1/users/{office.users['agent'].id}/phones")).json()
    assert [(one["kind"], one["chosen"]) for one in listed["items"]] == [("browser", True), ("desk", False)]
    assert (await supervisor.post(f"/api/v1/users/{office.users['agent'].id}/phones/secret")).status == 403


async def test_the_log_speaks_of_what_was_done_and_not_of_routes(office: Office) -> None:
    agent, manager = await office.signed_in("agent"), await office.signed_in("manager")
    made = await agent.post("/api/v1/customers", {"name": "欧阳明"})
    await agent.get(f"/customers/{(await made.json())['id']}")
    await office.views.flush()
    answer = await manager.get("/audit")
    page = re.sub(r' title="[^"]*"', "", await answer.text())
    assert answer.status == 200
    assert "查阅" in page
    assert "customers_customer_id" not in page

"""A new agent takes calls without anybody rendering files by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fixtures_house import a_house, until

from access.ids import new_id
from access.permissions import Role
from access.users import User
from config.site import SiteError
from lab.agents import Habits
from lab.customers import Listen, Press, Stay
from lab.network import Phone
from storage import agents, users
from storage.database import Database
from telephony.phones import PhoneKind

pytestmark = pytest.mark.asterisk


async def test_somebody_added_at_run_time_can_register_and_take_a_call() -> None:
    async with a_house(agents=("agent1",)) as house:
        settings = house.site.settings
        database = Database(settings.database_url, readers=1, writers=1)
        try:
            now = datetime.now(UTC)
            user = User(
                id=new_id(now), login="newcomer", name="赵敏", role=Role.AGENT, language="zh-CN", theme="auto",
                created_at=now,
            )  # fmt: skip
            database.write_now(lambda c: users.insert_user(c, user, password_hash="x"))
            phones = database.write_now(lambda c: agents.give_phones(c, user.id, now))
        finally:
            database.close()
        port = settings.telephony.sip.port
        desk = next(phone for phone in phones if phone.kind is PhoneKind.DESK)

        async def registered() -> bool:
            try:
                await house.lab.sign_on_agents(
                    [
                        Phone(
                            endpoint=desk.endpoint,
                            secret=desk.secret,
                            host="127.0.0.1",
                            port=port,
                        )
                    ],
                    Habits(answers_after=(0.1, 0.2), talks=(2.0, 2.0)),
                )
            except TimeoutError:
                await house.lab.sign_off_agents([desk.endpoint])
                return False
            return True

        await until(registered, 120.0, saying="the new phone never registered")

        async def signed_in() -> bool:
            try:
                await house.site.post(f"/agents/{user.id}/sign-in", {"phone": desk.endpoint, "queues": None})
            except SiteError:
                return False
            return True

        await until(signed_in)
        placed = await house.call(
            caller="13918001009", steps=(Listen(seconds=2.5), Press(keys="2"), Stay(seconds=40))
        )
        await placed.ended(60)
        row = await house.state_of(placed, "ended")
        assert (row["outcome"], row["agent_id"]) == ("answered", user.id)

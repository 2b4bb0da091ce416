"""What a person may do no longer, no program may do in that person's name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection

from access.ids import new_id
from access.permissions import Role
from access.tokens import Token
from access.users import User
from storage import tokens, users
from storage.database import Database

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("to", "left"), [(Role.AGENT, {Role.AGENT}), (Role.MANAGER, {Role.AGENT, Role.SUPERVISOR})]
)
def test_s09_another_role_revokes_tokens_that_may_more(database: Database, to: Role, left: set[Role]) -> None:
    """S09: somebody who was a supervisor; another person's token stays."""

    def work(connection: Connection) -> set[Role]:
        for login in ("li", "han"):
            user = User(
                id=new_id(NOW),
                login=login,
                name=login,
                role=Role.SUPERVISOR,
                language="en",
                theme="auto",
                created_at=NOW,
            )
            users.insert_user(connection, user, password_hash="x")
            for role in (Role.AGENT, Role.SUPERVISOR):
                token = Token(
                    id=new_id(NOW),
                    name=role.value,
                    role=role,
                    created_at=NOW,
                    created_by="a",
                    user_id=user.id,
                )
                tokens.insert_token(connection, token, secret_hash=f"{login}-{role.value}")
        users.change_user(connection, users.find_by_login(connection, "li").id, now=NOW, role=to)
        for role in (Role.AGENT, Role.SUPERVISOR):
            other = tokens.find_token(connection, f"han-{role.value}")
            assert other is not None
            assert other.is_good_at(NOW)
        found = (tokens.find_token(connection, f"li-{role.value}") for role in (Role.AGENT, Role.SUPERVISOR))
        return {token.role for token in found if token is not None and token.is_good_at(NOW)}

    assert database.write_now(work) == left

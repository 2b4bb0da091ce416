"""The web side's ports over the real stores: one unit of work a method, the audit entry in the same one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import TAKES_CALLS, Permission, Role
from access.sessions import Session, SessionEnd
from access.tokens import Token
from access.users import Language, LoginRefused, Principal, Theme, User
from config.books.task_desk import views_of
from crm.tasks.tasks import Task
from storage import agents, audit, call_lists, sessions, task_lists, tasks, tokens, users
from storage.database import Database
from telephony.call_lists import BadCursor, CallDetail, CallFilter, CallPage, CallSort
from web.ports import TaskPage, TaskView


class UserBook:
    """`web.ports.Users` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def password_of(self, login: str) -> tuple[User, str] | None:
        return await self._database.read(lambda connection: users.password_of(connection, login))

    async def list(self) -> Sequence[User]:
        return await self._database.read(users.list_users)

    async def get(self, user_id: str) -> User:
        return await self._database.read(lambda connection: users.get_user(connection, user_id))

    async def create(self, user: User, password_hash: str, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            users.insert_user(connection, user, password_hash=password_hash)
            if user.role in TAKES_CALLS:
                agents.give_phones(connection, user.id, entry.at)
            audit.append(connection, entry)

        await self._database.write(work)

    async def change(
        self,
        user_id: str,
        entry: Entry,
        *,
        name: str | None = None,
        role: Role | None = None,
        language: Language | None = None,
        theme: Theme | None = None,
        department: str | None = None,
    ) -> User:
        def work(connection: Connection) -> User:
            user = users.change_user(
                connection,
                user_id,
                now=entry.at,
                name=name,
                role=role,
                language=language,
                theme=theme,
                department=department,
            )
            audit.append(connection, entry)
            return user

        return await self._database.write(work)

    async def disable(self, user_id: str, entry: Entry) -> User:
        def work(connection: Connection) -> User:
            user = users.disable_user(connection, user_id, now=entry.at)
            audit.append(connection, entry)
            return user

        return await self._database.write(work)

    async def enable(self, user_id: str, entry: Entry) -> User:
        def work(connection: Connection) -> User:
            user = users.enable_user(connection, user_id)
            audit.append(connection, entry)
            return user

        return await self._database.write(work)

    async def set_password(
        self, user_id: str, password_hash: str, entry: Entry, keep_session: str, *, must_change: bool = False
    ) -> None:
        def work(connection: Connection) -> None:
            users.set_password(
                connection,
                user_id,
                password_hash=password_hash,
                now=entry.at,
                keep_session=keep_session,
                must_change=must_change,
            )
            audit.append(connection, entry)

        await self._database.write(work)

    async def names(self) -> Mapping[str, str]:
        return await self._database.read(users.user_names)


class SessionBook:
    """`web.ports.Sessions` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, session: Session, entry: Entry, *, replaces: Sequence[str], password_hash: str
    ) -> None:
        def work(connection: Connection) -> None:
            found = users.password_of(connection, session.user.login)
            if found is None or not found[0].is_enabled or found[1] != password_hash:
                raise LoginRefused("Login or password is wrong.")
            for one in filter(None, replaces):
                sessions.end_session(connection, one, now=entry.at, why=SessionEnd.REPLACED)
            sessions.insert_session(connection, session)
            audit.append(connection, entry)

        await self._database.write(work)

    async def find(self, session_id: str) -> Session | None:
        return await self._database.read(lambda connection: sessions.find_session(connection, session_id))

    async def touch(self, session_id: str, now: datetime) -> None:
        await self._database.write(lambda connection: sessions.touch_session(connection, session_id, now=now))

    async def end(self, session_id: str, why: SessionEnd, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            sessions.end_session(connection, session_id, now=entry.at, why=why)
            audit.append(connection, entry)

        await self._database.write(work)

    async def live(self, ids: Collection[str], now: datetime, longest: timedelta) -> Collection[str]:
        return await self._database.read(
            lambda connection: sessions.live_sessions(connection, ids, now=now, longest=longest)
        )

    async def of_user(
        self, user_id: str, now: datetime, idle: timedelta, longest: timedelta
    ) -> Sequence[Session]:
        return await self._database.read(
            lambda connection: sessions.open_sessions_of(
                connection, user_id, now=now, idle=idle, longest=longest
            )
        )

    async def end_of(self, user_id: str, session_id: str, why: SessionEnd, entry: Entry) -> bool:
        def work(connection: Connection) -> bool:
            ended = sessions.end_session_of(connection, user_id, session_id, now=entry.at, why=why)
            if ended:
                audit.append(connection, entry)
            return ended

        return await self._database.write(work)

    async def end_others(self, user_id: str, but: str, why: SessionEnd, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            sessions.end_sessions_of(connection, user_id, now=entry.at, why=why, but=but)
            audit.append(connection, entry)

        await self._database.write(work)


class TokenBook:
    """`web.ports.Tokens` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, secret_hash: str) -> Token | None:
        return await self._database.read(lambda connection: tokens.find_token(connection, secret_hash))

    async def list(self) -> Sequence[Token]:
        return await self._database.read(tokens.list_tokens)

    async def create(self, token: Token, secret_hash: str, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            if token.user_id is not None:
                users.get_user(connection, token.user_id)
            tokens.insert_token(connection, token, secret_hash=secret_hash)
            audit.append(connection, entry)

        await self._database.write(work)

    async def revoke(self, token_id: str, entry: Entry) -> Token:
        def work(connection: Connection) -> Token:
            token = tokens.revoke_token(connection, token_id, now=entry.at)
            audit.append(connection, entry)
            return token

        return await self._database.write(work)

    async def touch(self, token_id: str, now: datetime) -> None:
        await self._database.write(lambda connection: tokens.touch_token(connection, token_id, now=now))

    async def live(self, ids: Collection[str], now: datetime) -> Collection[str]:
        return await self._database.read(lambda connection: tokens.live_tokens(connection, ids, now=now))


class CallBook:
    """`web.ports.CallLog` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, viewer: Principal, wanted: CallFilter, sort: CallSort, cursor: str | None, limit: int
    ) -> CallPage:
        return await self._database.read(
            lambda connection: call_lists.list_calls(connection, viewer, wanted, sort, cursor, limit)
        )

    async def get(self, viewer: Principal, call_id: str) -> CallDetail | None:
        return await self._database.read(lambda connection: call_lists.get_call(connection, viewer, call_id))


class TaskBook:
    """`web.ports.Tasks` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        viewer: Principal,
        *,
        state: Literal["open", "mine", "closed", "all"],
        now: datetime,
        cursor: str | None,
        limit: int,
    ) -> TaskPage:
        after = _read_task_cursor(cursor)

        def work(connection: Connection) -> TaskPage:
            found = tasks.list_tasks(
                connection,
                state=state,
                user_id=viewer.user_id or "",
                seen=task_lists.seen_by(connection, viewer, now),
                after=after,
                limit=limit + 1,
            )
            kept = found[:limit]
            following = _task_cursor(state, kept[-1]) if len(found) > limit else None
            return TaskPage(items=views_of(connection, kept, viewer, now), next=following)

        return await self._database.read(work)

    async def claim(self, viewer: Principal, task_id: str, now: datetime) -> TaskView:
        def work(connection: Connection) -> TaskView:
            task_lists.require_seen(connection, viewer, task_id, now)
            task = tasks.claim_task(connection, task_id, viewer.user_id or "")
            return views_of(connection, [task], viewer, now)[0]

        return await self._database.write(work)

    async def close(self, viewer: Principal, task_id: str, result: str, now: datetime) -> TaskView:
        def work(connection: Connection) -> TaskView:
            task_lists.require_seen(connection, viewer, task_id, now)
            force = viewer.may(Permission.DESK_OTHERS)
            task = tasks.close_task(connection, task_id, viewer.user_id or "", result, now, force=force)
            return views_of(connection, [task], viewer, now)[0]

        return await self._database.write(work)


def _task_cursor(state: str, task: Task) -> str:
    moment = {"closed": task.closed_at, "all": task.created_at}.get(state, task.due_at)
    return f"{(moment or task.created_at).isoformat()}~{task.id}"


def _read_task_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, task_id = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(task_id) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, task_id

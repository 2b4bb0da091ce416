"""Users, their own profile, API tokens, and the audit log."""

from __future__ import annotations

from access.audit import Action
from access.ids import new_id
from access.logins import check_password, clean_login, make_password
from access.permissions import GRANTS, Permission
from access.tokens import Token, hash_secret, make_token_secret
from access.users import PasswordWeak, User
from web.api.shapes import (
    AuditOut,
    AuditQuery,
    EntryOut,
    MeOut,
    NewTokenIn,
    NewTokenOut,
    NewUserIn,
    NewUserOut,
    OwnPasswordIn,
    PasswordIn,
    PasswordOut,
    ProfileIn,
    TokenOut,
    TokensOut,
    UserChangeIn,
    UserOut,
    UsersOut,
)
from web.problems import Refused
from web.routes import Ask, Nothing, Route


async def me(ask: Ask[Nothing, Nothing]) -> MeOut:
    """Who is asking and what that may do."""
    user = await ask.services.users.get(ask.by.user_id) if ask.by.user_id else None
    session = ask.signed.session
    return MeOut(
        name=ask.by.name,
        role=ask.by.role,
        user=UserOut.model_validate(user) if user else None,
        permissions=sorted(GRANTS[ask.by.role]),
        csrf=session.csrf if session else None,
    )


def _own_id(ask: Ask[Nothing, ProfileIn] | Ask[Nothing, OwnPasswordIn]) -> str:
    if ask.by.user_id is None:
        raise Refused("no-own-user", "This token belongs to no user.")
    return ask.by.user_id


async def change_profile(ask: Ask[Nothing, ProfileIn]) -> UserOut:
    """Own language and colours."""
    user_id = _own_id(ask)
    user = await ask.services.users.change(
        user_id,
        ask.entry(Action.USER_CHANGED, f"user:{user_id}"),
        language=ask.body.language,
        theme=ask.body.theme,
    )
    return UserOut.model_validate(user)


async def change_own_password(ask: Ask[Nothing, OwnPasswordIn]) -> PasswordOut:
    """A new password of one's own; every other session of the user ends."""
    session = ask.signed.session
    if session is None:
        raise Refused("not-allowed", "A password is changed in the browser, not with a token.")
    login = session.user.login
    ask.services.login_limit.begin(login, ask.address, ask.now)
    found = await ask.services.users.password_of(login)
    if not await ask.services.passwords.matches(found[1] if found else None, ask.body.current):
        raise Refused("bad-values", "The current password is not right. Nothing was changed.")
    ask.services.login_limit.succeed(login, ask.address)
    check_password(ask.body.password, login=login)
    if ask.body.password == ask.body.current:
        raise PasswordWeak("This is the password you have. Choose another one.")
    await ask.services.users.set_password(
        _own_id(ask),
        await ask.services.passwords.hash(ask.body.password),
        ask.entry(Action.PASSWORD_SET, f"user:{session.user.id}"),
        session.id,
    )
    return PasswordOut(password=None)


async def list_users(ask: Ask[Nothing, Nothing]) -> UsersOut:
    """Every user."""
    return UsersOut(items=[UserOut.model_validate(user) for user in await ask.services.users.list()])


async def get_user(ask: Ask[Nothing, Nothing]) -> UserOut:
    """One user."""
    return UserOut.model_validate(await ask.services.users.get(ask.path["user_id"]))


async def create_user(ask: Ask[Nothing, NewUserIn]) -> NewUserOut:
    """Add a user; without a password one is made and given back once."""
    login = clean_login(ask.body.login)
    made = make_password() if ask.body.password is None else None
    password = made or ask.body.password or ""
    check_password(password, login=login)
    user = User(
        id=new_id(ask.now),
        login=login,
        name=ask.body.name,
        role=ask.body.role,
        language=ask.body.language,
        theme="auto",
        created_at=ask.now,
        must_change=True,
        department=ask.body.department,
    )
    entry = ask.entry(Action.USER_CREATED, f"user:{user.id}", {"role": user.role.value})
    await ask.services.users.create(user, await ask.services.passwords.hash(password), entry)
    return NewUserOut(user=UserOut.model_validate(user), password=made)


async def change_user(ask: Ask[Nothing, UserChangeIn]) -> UserOut:
    """Change a user's name, role, language or colours."""
    user_id = ask.path["user_id"]
    role = ask.body.role
    user = await ask.services.users.change(
        user_id,
        ask.entry(Action.USER_CHANGED, f"user:{user_id}", {"role": role.value if role else None}),
        name=ask.body.name,
        role=role,
        language=ask.body.language,
        theme=ask.body.theme,
        department=ask.body.department,
    )
    return UserOut.model_validate(user)


async def disable_user(ask: Ask[Nothing, Nothing]) -> UserOut:
    """The user may not sign in any more; all sessions and streams end."""
    user_id = ask.path["user_id"]
    user = await ask.services.users.disable(user_id, ask.entry(Action.USER_DISABLED, f"user:{user_id}"))
    return UserOut.model_validate(user)


async def enable_user(ask: Ask[Nothing, Nothing]) -> UserOut:
    """The user may sign in again, with the password he had."""
    user_id = ask.path["user_id"]
    user = await ask.services.users.enable(user_id, ask.entry(Action.USER_ENABLED, f"user:{user_id}"))
    return UserOut.model_validate(user)


async def set_password(ask: Ask[Nothing, PasswordIn]) -> PasswordOut:
    """A new password for a user; all his sessions end."""
    user = await ask.services.users.get(ask.path["user_id"])
    made = make_password() if ask.body.password is None else None
    password = made or ask.body.password or ""
    check_password(password, login=user.login)
    entry = ask.entry(Action.PASSWORD_SET, f"user:{user.id}")
    await ask.services.users.set_password(
        user.id, await ask.services.passwords.hash(password), entry, "", must_change=user.id != ask.by.user_id
    )
    return PasswordOut(password=made)


async def list_tokens(ask: Ask[Nothing, Nothing]) -> TokensOut:
    """Every API token, without its secret."""
    return TokensOut(items=[TokenOut.model_validate(token) for token in await ask.services.tokens.list()])


async def create_token(ask: Ask[Nothing, NewTokenIn]) -> NewTokenOut:
    """Make an API token; its secret is given back once."""
    if ask.body.expires_at is not None and ask.body.expires_at.tzinfo is None:
        raise Refused("bad-values", "expires_at needs a time zone.")
    secret = make_token_secret()
    token = Token(
        id=new_id(ask.now),
        name=ask.body.name,
        role=ask.body.role,
        created_at=ask.now,
        created_by=ask.by.name,
        user_id=ask.body.user_id,
        expires_at=ask.body.expires_at,
    )
    entry = ask.entry(Action.TOKEN_CREATED, f"token:{token.id}", {"role": token.role.value})
    await ask.services.tokens.create(token, hash_secret(secret), entry)
    return NewTokenOut(token=TokenOut.model_validate(token), secret=secret)


async def revoke_token(ask: Ask[Nothing, Nothing]) -> TokenOut:
    """The token opens nothing any more."""
    token_id = ask.path["token_id"]
    token = await ask.services.tokens.revoke(token_id, ask.entry(Action.TOKEN_REVOKED, f"token:{token_id}"))
    return TokenOut.model_validate(token)


async def list_audit(ask: Ask[AuditQuery, Nothing]) -> AuditOut:
    """Who did what, newest first."""
    entries = await ask.services.audit.list(
        before=ask.query.before or "",
        subject=ask.query.subject,
        actor_id=ask.query.actor_id or "",
        action=ask.query.action,
        since=ask.query.since,
        until=ask.query.until,
        limit=ask.query.limit,
    )
    items = [
        EntryOut(
            id=entry.id,
            at=entry.at,
            action=entry.action.value,
            actor_name=entry.actor_name,
            actor_id=entry.actor_id,
            via=entry.via,
            subject=entry.subject,
            address=entry.address,
            data=dict(entry.data),
        )
        for entry in entries
    ]
    return AuditOut(items=items, next=items[-1].id if len(items) == ask.query.limit else None)


_USER = "/api/v1/users/{user_id}"

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/me",
        summary="Who is asking",
        needs=Permission.PROFILE,
        json=me,
        unfinished=True,
        answer=MeOut,
        tag="me",
    ),
    Route(
        method="PATCH",
        path="/api/v1/me",
        summary="Own language and colours",
        needs=Permission.PROFILE,
        json=change_profile,
        unfinished=True,
        body=ProfileIn,
        answer=UserOut,
        errors=("no-own-user",),
        tag="me",
    ),
    Route(
        method="POST",
        path="/api/v1/me/password",
        summary="Own new password",
        needs=Permission.PROFILE,
        json=change_own_password,
        unfinished=True,
        body=OwnPasswordIn,
        answer=PasswordOut,
        errors=("password-weak", "too-many-tries", "passwords-busy"),
        tag="me",
    ),
    Route(
        method="GET",
        path="/api/v1/users",
        summary="List users",
        needs=Permission.USERS_READ,
        json=list_users,
        answer=UsersOut,
        tag="users",
    ),
    Route(
        method="POST",
        path="/api/v1/users",
        summary="Add a user",
        needs=Permission.USERS_WRITE,
        json=create_user,
        body=NewUserIn,
        answer=NewUserOut,
        status=201,
        errors=("login-taken", "login-malformed", "password-weak", "passwords-busy"),
        tag="users",
    ),
    Route(
        method="GET",
        path=_USER,
        summary="One user",
        needs=Permission.USERS_READ,
        json=get_user,
        answer=UserOut,
        errors=("user-not-found",),
        tag="users",
    ),
    Route(
        method="PATCH",
        path=_USER,
        summary="Change a user",
        needs=Permission.USERS_WRITE,
        json=change_user,
        body=UserChangeIn,
        answer=UserOut,
        errors=("user-not-found", "last-admin"),
        tag="users",
    ),
    Route(
        method="POST",
        path=f"{_USER}/disable",
        summary="Disable a user",
        needs=Permission.USERS_WRITE,
        json=disable_user,
        body=Nothing,
        answer=UserOut,
        errors=("user-not-found", "last-admin"),
        tag="users",
    ),
    Route(
        method="POST",
        path=f"{_USER}/enable",
        summary="Enable a user again",
        needs=Permission.USERS_WRITE,
        json=enable_user,
        body=Nothing,
        answer=UserOut,
        errors=("user-not-found",),
        tag="users",
    ),
    Route(
        method="POST",
        path=f"{_USER}/password",
        summary="New password for a user",
        needs=Permission.USERS_WRITE,
        json=set_password,
        body=PasswordIn,
        answer=PasswordOut,
        errors=("user-not-found", "password-weak", "passwords-busy"),
        tag="users",
    ),
    Route(
        method="GET",
        path="/api/v1/tokens",
        summary="List API tokens",
        needs=Permission.TOKENS_WRITE,
        json=list_tokens,
        answer=TokensOut,
        tag="tokens",
    ),
    Route(
        method="POST",
        path="/api/v1/tokens",
        summary="Make an API token",
        needs=Permission.TOKENS_WRITE,
        json=create_token,
        body=NewTokenIn,
        answer=NewTokenOut,
        status=201,
        errors=("user-not-found",),
        tag="tokens",
    ),
    Route(
        method="POST",
        path="/api/v1/tokens/{token_id}/revoke",
        summary="Revoke an API token",
        needs=Permission.TOKENS_WRITE,
        json=revoke_token,
        body=Nothing,
        answer=TokenOut,
        errors=("token-not-found",),
        tag="tokens",
    ),
    Route(
        method="GET",
        path="/api/v1/audit",
        summary="Who did what",
        needs=Permission.AUDIT_READ,
        json=list_audit,
        query=AuditQuery,
        answer=AuditOut,
        tag="audit",
    ),
)

"""Roles, logins, passwords, limits, secrets, sessions and masks as pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from access.logins import LoginLimit, check_password, clean_login, make_password
from access.masking import mask_number, mask_text, mask_values
from access.passwords import Passwords, PasswordsBusy
from access.permissions import GRANTS, Permission, Role
from access.sessions import Session, SessionEnd, SessionLimits, refusal
from access.tokens import PREFIX, Token, hash_secret, make_token_secret
from access.users import LoginMalformed, PasswordWeak, Principal, TooManyTries, User, Via

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
LIMITS = SessionLimits(idle=timedelta(minutes=60), longest=timedelta(hours=14))


def user(**values: object) -> User:
    base: dict[str, object] = {
        "id": "U1",
        "login": "wang",
        "name": "王芳",
        "role": Role.AGENT,
        "language": "zh-CN",
        "theme": "auto",
        "created_at": NOW,
    }
    return User(**{**base, **values})  # type: ignore[arg-type]


def session(**values: object) -> Session:
    base: dict[str, object] = {
        "id": "S",
        "user": user(),
        "csrf": "c",
        "created_at": NOW,
        "seen_at": NOW,
        "address": "127.0.0.1",
    }
    return Session(**{**base, **values})  # type: ignore[arg-type]


def test_every_role_has_a_line_in_the_table_and_a_profile() -> None:
    assert set(GRANTS) == set(Role)
    for role in Role:
        assert Permission.PROFILE in GRANTS[role]


def test_only_those_who_manage_people_may_make_users_and_tokens() -> None:
    for permission in (Permission.USERS_WRITE, Permission.TOKENS_WRITE):
        assert [role for role in Role if permission in GRANTS[role]] == [Role.ADMIN]


def test_the_administrator_of_the_machine_sees_no_numbers_and_dials_nobody() -> None:
    assert not GRANTS[Role.ADMIN] & {Permission.NUMBERS_FULL, Permission.CALLS_DIAL, Permission.DESK_OTHERS}


@pytest.mark.parametrize(
    ("typed", "kept"), [(" Wang.Fang ", "wang.fang"), ("ＡＧＥＮＴ１", "agent1"), ("a", "a")]
)
def test_a_login_has_one_form(typed: str, kept: str) -> None:
    assert clean_login(typed) == kept


@pytest.mark.parametrize("typed", ["", "-a", "王芳", "a b", "a" * 33, "a\n", "a'--"])
def test_other_logins_are_refused(typed: str) -> None:
    if typed == "a\n":
        assert clean_login(typed) == "a"
        return
    with pytest.raises(LoginMalformed):
        clean_login(typed)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "wang123456", "x" * 257, "好" * 86 + "abcd"])
def test_weak_or_endless_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordWeak):
        check_password(password, login="wang")


def test_long_passwords_of_any_letters_are_good() -> None:
    check_password("两只老虎跑得快跑得快啊", login="wang")
    for _ in range(50):
        check_password(make_password(), login="wang")


def test_the_limit_forgets_after_a_quarter_of_an_hour() -> None:
    limit = LoginLimit(3)
    for _ in range(3):
        limit.begin("wang", "10.0.0.1", NOW)
    with pytest.raises(TooManyTries) as refused:
        limit.begin("wang", "10.0.0.1", NOW + timedelta(minutes=1))
    assert 0 < refused.value.wait_seconds <= 14 * 60 + 1
    limit.begin("li", "10.0.0.1", NOW)
    limit.begin("wang", "10.0.0.1", NOW + timedelta(minutes=15))


def test_one_address_cannot_walk_through_all_logins() -> None:
    limit = LoginLimit(3)
    for number in range(15):  # five times the limit of one login
        limit.begin(f"user{number}", "10.0.0.1", NOW)
    with pytest.raises(TooManyTries):
        limit.begin("user15", "10.0.0.1", NOW)


def test_one_login_cannot_be_guessed_from_many_addresses() -> None:
    limit = LoginLimit(3)
    for number in range(30):
        limit.begin("wang", f"10.0.0.{number}", NOW)
    with pytest.raises(TooManyTries):
        limit.begin("wang", "10.0.0.30", NOW)


def test_success_gives_the_tries_back() -> None:
    limit = LoginLimit(3)
    for _ in range(50):
        limit.begin("wang", "10.0.0.1", NOW)
        limit.succeed("wang", "10.0.0.1")


def test_the_limit_keeps_a_bounded_number_of_keys() -> None:
    limit = LoginLimit(3)
    for number in range(20_000):
        limit.begin(f"u{number}", f"10.{number >> 8}.{number & 255}.1", NOW)
    assert len(limit._tried) <= 10_000


@pytest.mark.parametrize(
    ("session_", "address", "at", "why"),
    [
        (session(), "127.0.0.1", NOW, None),
        (session(ended_at=NOW), "127.0.0.1", NOW, SessionEnd.SIGNED_OUT),
        (session(user=user(disabled_at=NOW)), "127.0.0.1", NOW, SessionEnd.DISABLED),
        (session(), "127.0.0.1", NOW + timedelta(minutes=60), SessionEnd.IDLE),
        (
            session(seen_at=NOW + timedelta(hours=14)),
            "127.0.0.1",
            NOW + timedelta(hours=14),
            SessionEnd.TOO_OLD,
        ),
        (session(), "127.0.0.2", NOW, SessionEnd.OTHER_ADDRESS),
    ],
)
def test_when_a_session_counts(session_: Session, address: str, at: datetime, why: SessionEnd | None) -> None:
    assert refusal(session_, address=address, now=at, limits=LIMITS) is why


def test_a_session_may_be_let_loose_from_its_address() -> None:
    limits = SessionLimits(idle=LIMITS.idle, longest=LIMITS.longest, same_address=False)
    assert refusal(session(), address="127.0.0.2", now=NOW, limits=limits) is None


def test_secrets_are_long_marked_and_stored_as_hashes() -> None:
    secret = make_token_secret()
    assert secret.startswith(PREFIX)
    assert len(secret) > 40
    assert len(hash_secret(secret)) == 64
    assert secret not in hash_secret(secret)


def test_a_token_is_good_until_revoked_or_expired() -> None:
    token = Token(id="T", name="n", role=Role.AGENT, created_at=NOW, created_by="x", expires_at=NOW)
    assert not token.is_good_at(NOW)
    assert token.is_good_at(NOW - timedelta(seconds=1))


def test_a_principal_may_what_its_role_may() -> None:
    principal = Principal(role=Role.DEPARTMENT, via=Via.TOKEN, name="x")
    assert not principal.may(Permission.CALLS_READ)
    assert not principal.sees_numbers


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+8613812345678", "138****5678"),
        ("13812345678", "138****5678"),
        ("+862162345678", "021****5678"),
        ("+864008001234", "400****1234"),
        ("+12025550123", "+120****0123"),
        ("62345678", "62****78"),
        ("95588", "****8"),
        ("", "****"),
        ("anonymous", "****"),
    ],
)
def test_numbers_keep_only_their_ends(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_at_least_three_digits_of_every_number_are_hidden(number: str) -> None:
    shown = sum(letter.isdigit() for letter in mask_number(number))
    assert shown <= len(number) - 1 - 3 + (1 if mask_number(number).startswith("0") else 0)


def test_numbers_in_running_text_are_masked() -> None:
    assert mask_text("call 138 1234-5678 back, plate 沪A12345") == "call 138****5678 back, plate 沪A12345"
    assert mask_values({"a": ["+8613812345678", 7], "b": {"c": "x"}}) == {
        "a": ["138****5678", 7],
        "b": {"c": "x"},
    }


async def test_passwords_are_checked_in_threads_and_a_flood_is_refused() -> None:
    import asyncio

    passwords = Passwords()
    try:
        encoded = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("two tigers run fast")
        assert await passwords.matches(encoded, "two tigers run fast")
        assert not await passwords.matches(encoded, "three tigers")
        assert not await passwords.matches(None, "two tigers run fast")
        assert not await passwords.matches("not a hash", "two tigers run fast")
        many = await asyncio.gather(
            *(passwords.matches(encoded, "x") for _ in range(25)), return_exceptions=True
        )
        assert sum(isinstance(one, PasswordsBusy) for one in many) == 5
    finally:
        passwords.close()


def test_the_documented_table_of_rights_is_the_real_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "access.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"
    ]
    roles = [Role(name) for name in rows[0][1:]]
    written = {row[0].strip("`"): [cell == "yes" for cell in row[1:]] for row in rows[2:]}
    assert written == {
        permission.value: [permission in GRANTS[role] for role in roles] for permission in Permission
    }

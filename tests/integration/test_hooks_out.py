"""Webhooks out over real sockets and both databases: delivered, signed, in order, tried again, given up, masked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from fixtures_hooks import Receiver, subscribe
from fixtures_storage import FrozenClock
from sqlalchemy import select, update
from waiting import PATIENCE, until

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.hooks.sender import HookSender
from config.hooks.transport import HookTransport
from crm.hooks.errors import HookOff
from crm.hooks.events import Event
from crm.hooks.options import HookOptions
from crm.hooks.retries import Why
from crm.hooks.subscriptions import DeliveryDetail
from storage import users
from storage.database import Database
from storage.deliveries import claim, known_addresses, quiet, settle
from storage.hooks import (
    change_hook,
    delete_hook,
    get_delivery,
    get_hook,
    list_deliveries,
    new_secret,
    replay,
)
from storage.outgoing import announce
from storage.tables.access import audit
from storage.tables.hooks import deliveries, hooks

DATA = {"number": "+8613812345678", "customer_name": "欧阳志远"}

SenderMaker = Callable[..., HookSender]


@pytest.fixture
async def make_sender(database: Database, clock: FrozenClock) -> AsyncIterator[SenderMaker]:
    """Senders on the test's database; all are closed after it."""
    made: list[HookSender] = []

    def make(*receivers: Receiver, **options: Any) -> HookSender:
        chosen = HookOptions(
            allow_http=True,
            allow_inside=[receiver.place for receiver in receivers],
            **{"timeout_seconds": PATIENCE, **options},  # a try that ran out of time is another outcome
        )
        sender = HookSender(
            database,
            chosen,
            HookTransport(chosen, version="1"),
            clock,
            words=lambda language, event: f"{language} {event}",
            chance=lambda: 0.5,
            poll_seconds=0.01,
        )
        made.append(sender)
        return sender

    yield make
    for sender in made:
        await sender.close()


@pytest.fixture
def manager(database: Database, clock: FrozenClock) -> str:
    """Owner who may see everything."""
    return person(database, clock, Role.MANAGER)


def person(database: Database, clock: FrozenClock, role: Role) -> str:
    now = clock.now()
    user = User(
        id=new_id(now),
        login=role.value,
        name=role.value,
        role=role,
        language="en",
        theme="auto",
        created_at=now,
    )
    database.write_now(lambda connection: users.insert_user(connection, user, password_hash="x"))
    return f"user:{user.id}"


def by(owner: str, role: Role) -> Principal:
    return Principal(role=role, via=Via.SESSION, name="x", user_id=owner.partition(":")[2])


def tell(database: Database, clock: FrozenClock, subject: str, data: dict[str, Any] | None = None) -> str:
    told = database.write_now(
        lambda c: announce(c, Event.RECORD_CHANGED, subject, DATA if data is None else data, at=clock.now())
    )
    assert told is not None
    return told


async def deliver(sender: HookSender) -> int:
    """Everything that is due now; gives how many tries that were."""
    tries = 0
    while begun := await sender.step():
        tries += begun
        await sender.idle()
    return tries


def states(database: Database) -> list[tuple[Any, ...]]:
    statement = select(deliveries.c.subject, deliveries.c.state, deliveries.c.tries).order_by(
        deliveries.c.number
    )
    return [tuple(row) for row in database.read_now(lambda c: c.execute(statement).all())]


async def test_an_event_arrives_signed_and_once(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    _, secret = subscribe(database, clock, receiver.url("/in?a=b"), Event.RECORD_CHANGED, owner=manager)
    told = tell(database, clock, "customer:1")
    sender = make_sender(receiver)
    assert await deliver(sender) == 1
    assert await deliver(sender) == 0
    (got,) = receiver.received
    assert (got.path, got.event_id) == ("/in?a=b", told)
    assert got.is_genuine(secret)
    assert got.headers["webhook-timestamp"] == str(int(clock.now().timestamp()))
    assert got.headers["user-agent"] == "Careline/1"
    assert json.loads(got.body) == {
        "id": told,
        "type": "record.changed",
        "timestamp": clock.now().isoformat(),
        "subject": "customer:1",
        "title": "en record.changed",
        "data": DATA,
    }
    assert states(database) == [("customer:1", "delivered", 1)]
    assert sender.counts.delivered == 1


@pytest.mark.parametrize(
    ("role", "number", "name"),
    [(Role.MANAGER, "+8613812345678", "欧阳志远"), (Role.ADMIN, "138****5678", "欧阳**")],
)
async def test_it_sends_what_its_owner_may_see(
    database: Database,
    clock: FrozenClock,
    receiver: Receiver,
    make_sender: SenderMaker,
    role: Role,
    number: str,
    name: str,
) -> None:
    owner = person(database, clock, role)
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=owner)
    tell(database, clock, "customer:1")
    await deliver(make_sender(receiver))
    assert json.loads(receiver.received[0].body)["data"] == {"number": number, "customer_name": name}
    (line,) = database.read_now(lambda c: list_deliveries(c, hook.id, state=None, cursor=None, limit=5)).items

    def seen_by(viewer: Role) -> DeliveryDetail:
        principal = Principal(role=viewer, via=Via.SESSION, name="x", user_id="1")
        return database.read_now(lambda c: get_delivery(c, line.id, principal, clock.now()))

    assert seen_by(Role.MANAGER).data["number"] == number
    assert seen_by(Role.ADMIN).data == {"number": "138****5678", "customer_name": "欧阳**"}
    assert [(one.number, one.status, one.error) for one in seen_by(Role.ADMIN).tries] == [(1, 204, "")]


async def test_whoever_changes_an_address_answers_for_it(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    """An administrator who may see no number must not get them by pointing a manager's subscription elsewhere."""
    hook, _ = subscribe(database, clock, "https://dms.example/", Event.RECORD_CHANGED, owner=manager)
    admin = by(person(database, clock, Role.ADMIN), Role.ADMIN)
    database.write_now(lambda c: change_hook(c, hook.id, admin, clock.now(), url=receiver.url()))
    tell(database, clock, "customer:1")
    await deliver(make_sender(receiver))
    assert json.loads(receiver.received[0].body)["data"]["number"] == "138****5678"


async def test_nothing_goes_out_for_somebody_who_may_not_any_more(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    watcher = person(database, clock, Role.ADMIN)
    subscribe(database, clock, receiver.url("/other"), Event.HOOK_DISABLED, owner=watcher)
    tell(database, clock, "customer:1")
    database.write_now(lambda c: users.disable_user(c, manager.partition(":")[2], now=clock.now()))
    sender = make_sender(receiver)
    await deliver(sender)
    after = database.read_now(lambda c: get_hook(c, hook.id))
    assert (after.active, after.disabled_why, after.waiting) == (False, Why.OWNER_GONE, 1)
    await deliver(sender)
    (got,) = receiver.received
    assert got.path == "/other"
    assert json.loads(got.body)["data"] == {"hook_id": hook.id, "hook": "dms", "why": "owner-gone"}
    actions = database.read_now(lambda c: c.execute(select(audit.c.action, audit.c.subject)).all())
    assert ("hook_disabled", f"hook:{hook.id}") in [tuple(row) for row in actions]


async def test_events_of_one_subject_wait_for_each_other_and_others_do_not(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    for subject, step in (("customer:1", 1), ("customer:1", 2), ("customer:2", 3), ("customer:1", 4)):
        tell(database, clock, subject, {"step": step})
        clock.advance(0.01)
    receiver.deeds.extend([500])
    sender = make_sender(receiver)
    await deliver(sender)
    clock.advance(10)
    await deliver(sender)
    steps = [json.loads(got.body)["data"]["step"] for got in receiver.received]
    assert steps[0] == 1
    assert [step for step in steps if step != 3] == [1, 1, 2, 4]
    assert steps.count(3) == 1
    assert steps.index(3) == 1
    ids = [got.event_id for got in receiver.received]
    assert ids[0] == ids[2]  # the repetition has the same id


async def test_a_failure_is_tried_again_at_growing_times_and_given_up_after_a_day(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    tell(database, clock, "customer:1")
    receiver.otherwise = 500
    sender = make_sender(receiver)
    began = clock.now()
    moments = []
    while states(database)[0][1] == "waiting":
        if await deliver(sender):
            moments.append((clock.now() - began).total_seconds())
        clock.advance(60)
    assert 10 <= len(moments) <= 16
    assert moments[-1] <= 24 * 3600
    assert states(database) == [("customer:1", "failed", len(moments))]
    (line,) = database.read_now(
        lambda c: list_deliveries(c, hook.id, state="failed", cursor=None, limit=5)
    ).items
    assert (line.last_status, line.last_error, line.next_at) == (500, "status", None)
    # a person sends it again: same id, short waits again
    receiver.otherwise = 204
    receiver.deeds.append(503)
    database.write_now(lambda c: replay(c, line.id, clock.now()))
    assert await deliver(sender) == 1  # at once, although its address is left alone
    clock.advance(1200)  # the first wait of a new day, and the breaker's
    assert await deliver(sender) == 1
    assert states(database)[0][1] == "delivered"
    assert len({got.event_id for got in receiver.received}) == 1


async def test_the_breaker_leaves_an_address_alone_and_one_delivery_closes_it(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    """Two subscriptions of one address share the breaker; a third elsewhere is not touched."""
    url = receiver.url()
    for path in (url, url, receiver.url("/well")):
        subscribe(database, clock, path, Event.RECORD_CHANGED, owner=manager)
    receiver.otherwise = 500
    sender = make_sender(receiver)
    for number in range(40):
        tell(database, clock, f"customer:{number}")
        clock.advance(0.001)
    while await deliver(sender):
        pass
    tries = sum(got.path == "/hook" for got in receiver.received)
    assert tries <= 7  # five failures, and what was on its way beside them
    assert await deliver(sender) == 0
    clock.advance(80)
    before = len(receiver.received)
    await deliver(sender)
    assert len(receiver.received) - before <= 2  # one probe an address
    receiver.otherwise = 204
    clock.advance(1200)
    while await deliver(sender) or "waiting" in {state for _, state, _ in states(database)}:
        clock.advance(30)
    assert {state for _, state, _ in states(database)} == {"delivered"}
    rows = database.read_now(lambda c: c.execute(select(hooks.c.failures, hooks.c.paused_until)).all())
    assert {tuple(row) for row in rows} == {(0, None)}


async def test_an_address_dead_for_days_is_switched_off_with_notice(
    database: Database,
    clock: FrozenClock,
    receiver: Receiver,
    other_receiver: Receiver,
    make_sender: SenderMaker,
    manager: str,
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    subscribe(database, clock, other_receiver.url(), Event.HOOK_DISABLED, owner=manager)
    receiver.otherwise = 500
    sender = make_sender(receiver, other_receiver, disable_days=1.0)
    for hour in range(24):
        tell(database, clock, f"customer:{hour}")
        await deliver(sender)
        clock.advance(3600)
    while await deliver(sender):
        clock.advance(600)
    after = database.read_now(lambda c: get_hook(c, hook.id))
    assert (after.active, after.disabled_why) == (False, Why.FAILING)
    assert [json.loads(got.body)["data"]["why"] for got in other_receiver.received] == ["failing"]
    count = len(receiver.received)
    clock.advance(3600)
    assert await deliver(sender) == 0
    assert len(receiver.received) == count


async def test_410_switches_off_at_once_and_429_is_obeyed(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    sender = make_sender(receiver)
    for number in (1, 2, 3):
        tell(database, clock, f"customer:{number}")
    receiver.deeds.append(web.Response(status=429, headers={"Retry-After": "120"}))
    receiver.deeds.append(500)
    await deliver(sender)
    seen = len(receiver.received)
    assert seen <= 2
    clock.advance(100)
    assert await deliver(sender) == 0
    clock.advance(100)
    receiver.deeds.append(410)
    await deliver(sender)
    after = database.read_now(lambda c: get_hook(c, hook.id))
    assert (after.active, after.disabled_why) == (False, Why.GONE)


async def test_a_secret_is_changed_over_without_losing_an_event(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, old = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    new = "whsec_" + "B" * 43 + "="
    database.write_now(lambda c: new_secret(c, hook.id, new, by(manager, Role.MANAGER), clock.now()))
    sender = make_sender(receiver)
    tell(database, clock, "customer:1")
    await deliver(sender)
    clock.advance(25 * 3600)
    tell(database, clock, "customer:2")
    await deliver(sender)
    first, second = receiver.received
    assert first.is_genuine(old)
    assert first.is_genuine(new)
    assert second.is_genuine(new)
    assert not second.is_genuine(old)


async def test_two_senders_never_have_one_delivery(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    told = [tell(database, clock, f"customer:{number}") for number in range(30)]
    senders = [make_sender(receiver) for _ in range(3)]
    for _ in range(200):
        await asyncio.gather(*(sender.step() for sender in senders))
        await asyncio.gather(*(sender.idle() for sender in senders))
        if len(receiver.received) >= len(told):
            break
    assert sorted(got.event_id for got in receiver.received) == sorted(told)


async def test_a_sender_that_was_away_too_long_changes_nothing(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    from datetime import timedelta

    from crm.hooks.retries import Outcome

    subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    tell(database, clock, "customer:1")
    options = HookOptions()

    def take(name: str) -> Any:
        return database.write_now(
            lambda c: claim(c, name, clock.now(), options, room=5, lease=timedelta(seconds=60))
        )

    (first,) = take("one")
    assert take("two") == []
    clock.advance(61)
    (second,) = take("two")
    assert second.number == first.number
    late = Outcome(at=clock.now(), milliseconds=1, status=204)
    assert database.write_now(lambda c: settle(c, first, late, options, chance=lambda: 0.5)) is None
    assert states(database) == [("customer:1", "waiting", 0)]
    assert database.write_now(lambda c: settle(c, second, late, options, chance=lambda: 0.5)) is not None
    assert states(database) == [("customer:1", "delivered", 1)]


async def test_a_stop_in_the_middle_gives_back_what_was_not_settled(
    database: Database,
    clock: FrozenClock,
    receiver: Receiver,
    make_sender: SenderMaker,
    manager: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("config.hooks.sender._STOP_SECONDS", 0.05)
    subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    tell(database, clock, "customer:1")
    hanging = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        hanging.set()
        await asyncio.sleep(30)
        return web.Response()

    receiver.deeds.append(hang)  # type: ignore[arg-type]
    sender = make_sender(receiver)
    running = asyncio.create_task(sender.run())
    await asyncio.wait_for(hanging.wait(), PATIENCE)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await sender.close()
    assert states(database) == [("customer:1", "waiting", 0)]
    assert await deliver(make_sender(receiver)) == 1
    assert states(database) == [("customer:1", "delivered", 1)]
    assert len({got.event_id for got in receiver.received}) == 1


async def test_one_dead_receiver_does_not_hold_up_the_others(
    database: Database,
    clock: FrozenClock,
    receiver: Receiver,
    other_receiver: Receiver,
    make_sender: SenderMaker,
    manager: str,
) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    for url in (receiver.url(), other_receiver.url()):
        subscribe(database, clock, url, Event.RECORD_CHANGED, owner=manager)
    receiver.deeds.extend([hang] * 50)  # type: ignore[list-item]
    for number in range(20):
        tell(database, clock, f"customer:{number}")
    sender = make_sender(receiver, other_receiver, parallel=4)
    running = asyncio.create_task(sender.run())
    await until(lambda: len(other_receiver.received) == 20)
    assert len(receiver.received) <= 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_deleted_subscription_leaves_nothing_on_its_way(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    tell(database, clock, "customer:1")
    receiver.deeds.append(500)
    sender = make_sender(receiver)
    await deliver(sender)
    database.write_now(lambda c: delete_hook(c, hook.id))
    clock.advance(100)
    assert await deliver(sender) == 0
    assert states(database) == []


async def test_after_a_restore_nothing_old_is_sent_and_a_copy_sends_nothing_at_all(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    tell(database, clock, "customer:1")
    known = database.read_now(known_addresses)
    assert known == {hook.id: receiver.url()}
    database.write_now(lambda c: quiet(c, known, clock.now()))
    sender = make_sender(receiver)
    assert await deliver(sender) == 0
    assert states(database) == [("customer:1", "cancelled", 0)]
    (line,) = database.read_now(lambda c: list_deliveries(c, hook.id, state=None, cursor=None, limit=5)).items
    with pytest.raises(HookOff):
        database.write_now(lambda c: replay(c, line.id, clock.now()))
    tell(database, clock, "customer:2")
    assert await deliver(sender) == 1
    database.write_now(lambda c: quiet(c, {}, clock.now()))
    after = database.read_now(lambda c: get_hook(c, hook.id))
    assert (after.active, after.disabled_why) == (False, Why.RESTORED)


async def test_what_waits_long_behind_a_dead_address_is_given_up_together(
    database: Database, clock: FrozenClock, receiver: Receiver, make_sender: SenderMaker, manager: str
) -> None:
    hook, _ = subscribe(database, clock, receiver.url(), Event.RECORD_CHANGED, owner=manager)
    for number in range(30):
        tell(database, clock, f"customer:{number}")
    long_ago = {"failures": 9, "failing_since": clock.now()}
    database.write_now(lambda c: c.execute(update(hooks).values(long_ago)))
    clock.advance(25 * 3600)
    receiver.otherwise = 500
    await deliver(make_sender(receiver))
    assert {state for _, state, _ in states(database)} == {"failed"}
    assert len(receiver.received) == 1
    page = database.read_now(lambda c: list_deliveries(c, hook.id, state="failed", cursor=None, limit=20))
    assert len(page.items) == 20
    rest = database.read_now(
        lambda c: list_deliveries(c, hook.id, state="failed", cursor=page.next, limit=20)
    )
    assert len(rest.items) == 10
    assert rest.next is None
    assert not {one.id for one in page.items} & {one.id for one in rest.items}

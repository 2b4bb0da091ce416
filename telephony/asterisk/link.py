"""The link to one Asterisk: a session for events, one for actions, and what happens at every reconnect."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from asterisk.ami.action import Action, SimpleAction

from telephony.asterisk.ami import (
    NEEDED_ACTIONS,
    Alarm,
    AmiEvent,
    AmiSession,
    CannotLogin,
    DuplicateAction,
    EventSink,
    MissingRights,
    Reply,
    Timing,
    log_alarm,
    switch_error,
)
from telephony.asterisk.protocol import Headers
from telephony.asterisk.resync import (
    OLDEST_ASTERISK,
    Resync,
    Snapshot,
    boot_of,
    channels_of,
    major_of,
    missing_rights,
    queues_of,
    version_of,
)
from telephony.clock import Clock, SystemClock
from telephony.options import SwitchOptions
from telephony.ports import ActionUnknown, SwitchError, SwitchUnavailable

log = logging.getLogger("careline.ami")

#: Actions that show rights nobody should have given.
DANGEROUS_ACTIONS: Final = ("Command", "UpdateConfig", "ModuleLoad")


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """An Originate that Asterisk has taken. What came of it is told later, by OriginateResponse."""

    action_id: str
    outcome: asyncio.Future[Headers]

    async def wait(self) -> Headers:
        """The headers of OriginateResponse. Raises ActionUnknown at its deadline or when the events are cut."""
        return await asyncio.shield(self.outcome)


class AsteriskLink:
    """Two manager sessions, one for events and one for actions, and the resynchronisation between them.

    Ready means: both are logged in, Asterisk has said FullyBooted, and `on_resync` has been given what the
    switch is doing. Events that come meanwhile wait and are delivered after it, in order.
    """

    def __init__(
        self,
        options: SwitchOptions,
        *,
        on_events: EventSink,
        on_resync: Callable[[Resync], Awaitable[None]],
        on_alarm: Callable[[Alarm], None] = log_alarm,
        wanted: Iterable[str] | None = None,
        events_secret: str = "",
        actions_secret: str = "",
        last_boot: str = "",
        timing: Timing | None = None,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Secrets given here win over those in the options. `last_boot` is the boot id last stored."""
        self._timing = timing or Timing(action=options.action_seconds, ping=options.ping_seconds)
        self._clock = clock or SystemClock()
        self._on_events = on_events
        self._on_resync = on_resync
        self._alarm = on_alarm
        self._boot = last_boot
        self._down_since: float | None = None
        self._originated: dict[str, asyncio.Future[Headers]] = {}
        self._ready = asyncio.Event()
        self._tasks: asyncio.Task[None] | None = None
        #: OriginateResponses to nothing that waits: told twice, too late, or another session's.
        self.repeated_responses = 0
        #: Times events may be missing: every new session after the first.
        self.gaps = 0
        self._link_trouble: SwitchError | None = None
        self.snapshot_seen: Snapshot | None = None
        names = None if wanted is None else {*wanted, "OriginateResponse"}
        self.events = AmiSession(
            address=options.ami_host,
            port=options.ami_port,
            user=options.ami_events_user,
            secret=events_secret or options.ami_events_secret,
            setting="telephony.switch.ami_events_secret",
            with_events=True,
            sink=self._take_events,
            wanted=names,
            queue_limit=options.queue_limit,
            timing=self._timing,
            alarm=on_alarm,
            clock=self._clock,
            tls=tls,
        )
        self.actions = _GuardedSession(
            address=options.ami_host,
            port=options.ami_port,
            user=options.ami_actions_user,
            secret=actions_secret or options.ami_actions_secret,
            setting="telephony.switch.ami_actions_secret",
            with_events=False,
            wanted=(),
            timing=self._timing,
            alarm=on_alarm,
            clock=self._clock,
            tls=tls,
        )
        self.actions.ready = self._ready

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; the caller owns this as a task."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.events.run(), name="ami-events")
            group.create_task(self.actions.run(), name="ami-actions")
            group.create_task(self._supervise(), name="ami-supervisor")

    async def start(self) -> None:
        """Run in a task of its own; returns at once. Await `wait_ready` to know when it serves."""
        self._tasks = asyncio.create_task(self.run(), name="ami-link")

    async def stop(self) -> None:
        """End both sessions; returns when every task is gone."""
        if self._tasks is not None:
            self._tasks.cancel()
            with suppress(asyncio.CancelledError):
                await self._tasks
            self._tasks = None

    async def __aenter__(self) -> AsteriskLink:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def is_ready(self) -> bool:
        """Connected, booted and resynchronised."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait until ready; no deadline of its own."""
        await self._ready.wait()

    @property
    def boot(self) -> str:
        """Boot id of the switch as last seen; empty before the first resynchronisation."""
        return self._boot

    def remember_boot(self, boot: str) -> None:
        """Take the boot id stored by an earlier run; only before `run`."""
        self._boot = boot

    @property
    def trouble(self) -> SwitchError | None:
        """Why the link is not ready, in words for the operator; None while all is well."""
        return self.events.trouble or self.actions.trouble or self._link_trouble

    # -- actions ---------------------------------------------------------------------------------------------

    async def act(self, action: Action, *, deadline: float | None = None) -> Reply:
        """Send once and wait for the reply. Raises SwitchUnavailable, ActionUnknown or ActionRefused."""
        return await self.actions.act(action, deadline=deadline)

    async def originate(self, action: Action, *, deadline: float) -> Submission:
        """Send an Originate and wait for its acknowledgement, which proves nothing about the call.

        What came of the call is the Submission's, matched by ActionID only, within `deadline` seconds.
        """
        if not self.is_ready:
            raise SwitchUnavailable("The switch is not resynchronised; nothing was dialed.")
        action.keys["Async"] = "true"
        action_id = str(action.keys.setdefault("ActionID", self.actions.next_action_id()))
        if action_id in self._originated:
            raise DuplicateAction(f"An Originate {action_id} is still open; nothing was sent.")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Headers] = loop.create_future()
        # The response may come before the acknowledgement is read, so it is waited for from here on.
        self._originated[action_id] = outcome
        timer = loop.call_later(deadline, self._expire_originate, action_id, deadline)
        outcome.add_done_callback(lambda _: self._close_originate(action_id, timer))
        try:
            await self.actions.act(action)
        except ActionUnknown:
            # Not acknowledged is not undone: the response may still tell. The outcome stays open for it.
            raise
        except BaseException:
            outcome.cancel()
            self._close_originate(action_id, timer)
            raise
        return Submission(action_id, outcome)

    def outcome_of(self, action_id: str) -> asyncio.Future[Headers] | None:
        """The open outcome of an Originate whose acknowledgement never came; None when it is closed."""
        return self._originated.get(action_id)

    def _close_originate(self, action_id: str, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._originated.pop(action_id, None)

    def _expire_originate(self, action_id: str, seconds: float) -> None:
        self._fail_originate(
            self._originated.get(action_id),
            f"No OriginateResponse within {seconds:g} s; the fate is not known.",
        )

    @staticmethod
    def _fail_originate(outcome: asyncio.Future[Headers] | None, text: str) -> None:
        if outcome is not None and not outcome.done():
            outcome.set_exception(ActionUnknown(text))
            outcome.exception()

    # -- events ----------------------------------------------------------------------------------------------

    async def _take_events(self, events: Sequence[AmiEvent]) -> None:
        for event in events:
            if event.raw.startswith(b"Event: OriginateResponse\r\n"):
                outcome = self._originated.get(event.keys.get("ActionID", ""))
                if outcome is None or outcome.done():
                    self.repeated_responses += 1
                else:
                    outcome.set_result(event.keys)
        await self._on_events(events)

    # -- resynchronisation -----------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        """What the switch is doing now. Raises SwitchError."""
        now = self._clock.now()
        settings, status = await self._ask("CoreSettings"), await self._ask("CoreStatus")
        version = version_of(settings.keys)
        major = major_of(version)
        if major is not None and major < OLDEST_ASTERISK:
            raise CannotLogin(f"Asterisk {version} is too old: {OLDEST_ASTERISK} or later is needed.")
        channels, queues = await self._ask("CoreShowChannels"), await self._ask("QueueStatus")
        counts, members = queues_of((event.name, event.keys) for event in queues.events)
        return Snapshot(
            at=now,
            boot=boot_of(status.keys),
            version=version,
            channels=channels_of((event.keys for event in channels.events), now),
            queues=counts,
            members=members,
        )

    async def _ask(self, name: str) -> Reply:
        return await self.actions.act(SimpleAction(name))

    async def _supervise(self) -> None:
        """Gate events from connect to resynchronisation; one round per pair of sessions."""
        wait = self._timing.first_retry
        self.events.hold_events()
        while True:
            pair = (await self.events.wait_up(), await self.actions.wait_up())
            try:
                await self._resynchronise(pair)
            except (SwitchError, TimeoutError) as error:
                self._link_trouble = switch_error(error, "", 0)
                self._alarm(Alarm(kind="resync", text=str(self._link_trouble)))
                slow = isinstance(error, (CannotLogin, MissingRights))
                await asyncio.sleep(self._timing.slow_retry if slow else wait)
                wait = min(wait * 2, self._timing.longest_retry)
                continue
            except Exception as error:  # loop boundary: whoever resynchronises may fail; it is tried again
                log.exception("the resynchronisation failed", extra={"action": "ami-resync"})
                self._link_trouble = SwitchUnavailable(
                    f"The resynchronisation failed ({type(error).__name__})."
                )
                self._alarm(Alarm(kind="resync", text=str(self._link_trouble)))
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._timing.longest_retry)
                continue
            wait = self._timing.first_retry
            await self._until_lost()

    async def _resynchronise(self, pair: tuple[int, int]) -> None:
        loop = asyncio.get_running_loop()
        await self._check_rights()
        snapshot = await self.snapshot()
        if (self.events.generation, self.actions.generation) != pair or not self.events.is_up:
            raise SwitchUnavailable(
                "The connection was replaced while the switch was asked what it is doing."
            )
        restarted = bool(self._boot) and self._boot != snapshot.boot
        gap = None if self._down_since is None else loop.time() - self._down_since
        if restarted:
            text = f"Asterisk was started anew ({snapshot.boot}); calls that were open ended unseen."
            self._alarm(Alarm(kind="restarted", text=text))
        await self._on_resync(Resync(snapshot=snapshot, restarted=restarted, gap_seconds=gap))
        self._boot = snapshot.boot
        self.snapshot_seen = snapshot
        self._link_trouble = None
        self._down_since = None
        self._ready.set()
        self.events.release_events()

    async def _until_lost(self) -> None:
        losses = [
            asyncio.create_task(self.events.wait_down(), name="ami-events-down"),
            asyncio.create_task(self.actions.wait_down(), name="ami-actions-down"),
        ]
        try:
            await asyncio.wait(losses, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ready.clear()
            for task in losses:
                task.cancel()
        self.gaps += 1
        self._down_since = asyncio.get_running_loop().time()
        for outcome in list(self._originated.values()):
            self._fail_originate(outcome, "The connection was lost before the call's outcome was told.")
        self._alarm(Alarm(kind="lost", text="The connection to Asterisk was lost; it is being made again."))
        with suppress(TimeoutError):
            async with asyncio.timeout(None if not self.events.is_up else self._timing.drain):
                await self.events.wait_drained()
        self.events.hold_events()

    async def _check_rights(self) -> None:
        offered = (await self._ask("ListCommands")).keys
        missing = missing_rights(offered, tuple(NEEDED_ACTIONS))
        if missing:
            rights = sorted({NEEDED_ACTIONS[name] for name in missing})
            raise MissingRights(
                f"The manager user {self.actions.user} may not {', '.join(missing)}. Add {', '.join(rights)} to "
                f"the line `write =` of [{self.actions.user}] in manager.conf; it must be "
                "`write = originate,call,agent,reporting`."
            )
        wide = [name for name in DANGEROUS_ACTIONS if name in offered]
        if wide:
            self._alarm(
                Alarm(
                    kind="rights",
                    text=f"The manager user {self.actions.user} may {', '.join(wide)}, which Careline never needs. "
                    f"Make the line `write =` of [{self.actions.user}] in manager.conf "
                    "`write = originate,call,agent,reporting`.",
                )
            )


class _GuardedSession(AmiSession):
    """The actions session: it may originate only while the link is ready."""

    ready: asyncio.Event

    def _may_originate(self) -> bool:
        return self.ready.is_set()

"""What the clock does with the ladder: texts are handed over, marks made; letters wait for a person to print them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from campaigns.campaigns import CONTACT_PURPOSE
from campaigns.ladder import LadderStep, LadderText, Rung, RungState, Texts
from crm.consent.optouts import Channel
from crm.tasks.tasks import TaskKind
from storage import campaigns, ladder
from storage.contactability import House, ask
from storage.database import Database, StorageUnavailable
from storage.tasks import add_task
from telephony.clock import Clock
from telephony.hours import WorkingTime

log = structlog.get_logger(__name__)

#: Steps looked at in one tick; the rest follow in the next.
_AT_ONCE: Final = 100
#: A mark is asked at the next visit, which may be a year away.
_ASKED_WITHIN: Final = timedelta(days=365)


class NoSender:
    """The message port of a house without one: the ladder goes on to the letter."""

    async def hand_over(self, text: LadderText) -> bool:
        """Nothing sends it."""
        log.info("no text sender yet", action="ladder_text_not_sent", step=text.key)
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    step: LadderStep
    #: What to hand over; None: it may not be sent.
    text: LadderText | None
    #: Not before this moment; None: now, or never.
    wait_until: datetime | None = None
    rule: str = ""


class LadderTicks:
    """Looks once a minute, in working time. It keeps nothing itself."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hours: WorkingTime,
        house: House,
        texts: Texts,
        *,
        mark: str,
    ) -> None:
        """`mark`: the subject of the task to ask at the next visit; {campaign} is the campaign's name."""
        self._database = database
        self._clock = clock
        self._hours = hours
        self._house = house
        self._texts = texts
        self._mark = mark

    async def look(self) -> None:
        """Every rung that is due."""
        now = self._clock.now()
        if not self._hours.state_at(now).is_open:
            return
        try:
            await self._void(Rung.LETTER, now)
            for asked in await self._texts_due(now):
                await self._send(asked, now)
            await self._database.write(lambda c: self._marks(c, now))
        except StorageUnavailable as error:
            log.warning("the ladder waits", action="ladder_delayed", why=str(error))

    async def _void(self, rung: Rung, now: datetime) -> None:
        """Letters nobody has printed yet and nobody needs any more; all of them in turn."""
        after = ""
        while True:

            def work(connection: Connection, after: str = after) -> str:
                steps = ladder.due(connection, rung, now, _AT_ONCE, after=after)
                ladder.void_needless(connection, steps, now)
                return steps[-1].id if len(steps) == _AT_ONCE else ""

            after = await self._database.write(work)
            if not after:
                return

    async def _texts_due(self, now: datetime) -> list[_Asked]:
        def work(connection: Connection) -> list[_Asked]:
            steps = ladder.void_needless(connection, ladder.due(connection, Rung.TEXT, now, _AT_ONCE), now)
            return [self._ask(connection, one, now) for one in steps]

        return await self._database.write(work)

    def _ask(self, connection: Connection, step: LadderStep, now: datetime) -> _Asked:
        campaign = campaigns.get(connection, step.campaign_id)
        found = ask(
            connection,
            self._house,
            customer_id=step.customer_id,
            purpose=CONTACT_PURPOSE[campaign.purpose],
            channel=Channel.TEXT,
            now=now,
            lists=campaign.rules.lists,
        )
        last = found[-1]
        if last.answer.allowed and last.number is not None:
            text = LadderText(
                key=f"rung:{step.id}",
                customer_id=step.customer_id,
                number=last.number,
                purpose=campaign.purpose.value,
            )
            return _Asked(step=step, text=text)
        when = min((one.when for one in found if one.when is not None), default=None)
        first = found[0].answer.first
        return _Asked(step=step, text=None, wait_until=when, rule="" if first is None else first.rule.value)

    async def _send(self, asked: _Asked, now: datetime) -> None:
        if asked.text is None and asked.wait_until is not None:
            return  # his hours, or a cap: looked at again in a minute
        sent = asked.text is not None and await self._texts.hand_over(asked.text)
        state = RungState.DONE if sent else RungState.PASSED
        why = {} if sent else {"rule": asked.rule} if asked.text is None else {"why": "no_sender"}
        await self._database.write(lambda c: ladder.close(c, asked.step, state, self._clock.now(), why=why))

    def _marks(self, connection: Connection, now: datetime) -> None:
        for step in ladder.void_needless(connection, ladder.due(connection, Rung.MARK, now, _AT_ONCE), now):
            campaign = campaigns.get(connection, step.campaign_id)
            task, _ = add_task(
                connection,
                kind=TaskKind.OTHER,
                occasion=f"rung:{step.id}",
                now=now,
                due_at=now + _ASKED_WITHIN,
                subject=self._mark.format(campaign=campaign.name),
                customer_id=step.customer_id,
            )
            ladder.close(connection, step, RungState.DONE, now, why={"task": task.id})

"""The demo's campaigns: a visit by agents and a reminder by keypad, to people who do everything one can do."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from config.site import Site, SiteError
from lab.counts import CallRecord
from lab.outside import Answers, Behaviour, Entry, Refuses, RingsOut, Voicemail

#: What the people of the campaigns do when they are called, by the last digit of their numbers.
_DOES: Final[tuple[tuple[str, str, Behaviour], ...]] = (
    ("0-4", "answers", Answers(after=(1.0, 4.0), talks=(8.0, 20.0))),
    ("5", "busy", Refuses(code=486)),
    ("6", "no-answer", RingsOut()),
    ("7", "voicemail", Voicemail(after=2.0, listens=12.0)),
    ("8", "books", Answers(after=(1.0, 3.0), talks=None, keys=((9.0, "1"), (12.0, "1")))),
    ("9", "stops", Answers(after=(1.0, 3.0), talks=None, keys=((9.0, "9"),))),
)
#: Their numbers begin so; nobody else's do.
_PREFIX: Final = "139970"
_NAMES: Final = ("赵敏", "钱进", "孙丽", "李军", "周洋", "吴静", "郑浩", "王芳", "冯磊", "陈燕")
#: People of each campaign: three of every kind.
_PEOPLE: Final = 30


def directory(others: Sequence[Entry]) -> tuple[Entry, ...]:
    """The outside world with the people of the campaigns in it."""
    own = [
        Entry(pattern=rf".*{_PREFIX}\d{{4}}[{digits}]", person=person, does=does)
        for digits, person, does in _DOES
    ]
    return (*own, *others)


@dataclass
class DemoCampaigns:
    """Makes both campaigns over the API, starts them, and counts them by the lab's own log."""

    site: Site
    #: Campaign id to its name.
    made: dict[str, str] = field(default_factory=dict)

    async def begin(self) -> None:
        """Two running campaigns with people of their own."""
        stamp = time.strftime("%m-%d %H:%M:%S")
        common = {"rules": {"ring_seconds": 20, "most_calls": 6, "ladder": ["letter", "mark"]}}
        visit = {
            "name": f"交车回访 {stamp}",
            "purpose": "delivery_visit",
            "mode": "progressive",
            "queue": "service",
        }
        remind = {
            "name": f"保养提醒 {stamp}",
            "purpose": "periodic_maintenance",
            "mode": "agentless",
            "flow": "campaign_maintenance",
        }
        for place, new in enumerate((visit, remind)):
            campaign = await self.site.post("/campaigns", {**new, **common})
            people = [await self._person(place, one) for one in range(_PEOPLE)]
            await self.site.post(f"/campaigns/{campaign['id']}/targets", {"customer_ids": people})
            now = await self.site.get(f"/campaigns/{campaign['id']}")
            await self.site.post(
                f"/campaigns/{campaign['id']}/step", {"step": "start", "version": now["version"]}
            )
            self.made[campaign["id"]] = new["name"]

    async def _person(self, place: int, one: int) -> str:
        # A new run calls new people: who was called today is left in peace.
        run = (int(time.time()) // 2) % 1000
        number = f"{_PREFIX}{place + 2 * (one // 10)}{run:03d}{one % 10}"
        made = await self.site.post(
            "/customers", {"name": _NAMES[one % len(_NAMES)], "numbers": [{"number": number}]}
        )
        return str(made["id"])

    async def finish(self) -> None:
        """Nobody else is called."""
        for campaign_id in self.made:
            now = await self.site.get(f"/campaigns/{campaign_id}")
            if "finish" in now["steps"]:
                try:
                    await self.site.post(
                        f"/campaigns/{campaign_id}/step", {"step": "finish", "version": now["version"]}
                    )
                except SiteError:
                    continue  # it has just ended by itself

    async def settled(self, seconds: float) -> None:
        """Until no attempt is open any more."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [await self.site.get(f"/campaigns/{campaign_id}") for campaign_id in self.made]
            if not any(one["calls"] for one in found):
                return
            await asyncio.sleep(0.5)

    async def count(self, records: Sequence[CallRecord]) -> dict[str, Any]:
        """What the outside world and the campaigns counted, by outcome; they must agree call by call."""
        found: dict[str, Any] = {}
        for campaign_id, name in self.made.items():
            tries = await self._tries(campaign_id)
            numbers = {one["number"].replace(" ", "")[-11:] for one in tries}
            theirs = [one for one in records if one.kind == "outside" and one.called[-11:] in numbers]
            ours = [one for one in tries if one["state"] == "ended"]
            found[name] = {
                "lab": len(theirs),
                "careline": len(ours),
                "difference": len(theirs) - len(ours),
                "lab_by_outcome": dict(Counter(one.person for one in theirs)),
                "careline_by_outcome": dict(Counter(one["outcome"] for one in ours)),
            }
        return found

    async def _tries(self, campaign_id: str) -> list[dict[str, Any]]:
        tries: list[dict[str, Any]] = []
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = await self.site.get(f"/campaigns/{campaign_id}/attempts", limit="100", **more)
            tries += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                return tries

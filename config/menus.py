"""The menus of these settings: flows, prompts and limits, checked before the service starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from config.settings import Settings, SettingsError
from crm.screenpop import MenuWords
from ivr.engine import Limits
from ivr.flow import Flow, Gather, Menu, OfferCallback
from ivr.host import Menus
from ivr.loader import FlowRefused, House, load_flow
from ivr.ports import Unavailable
from ivr.prompts import PromptBook, load_book
from ivr.texts import read_tables
from storage.database import StorageUnavailable
from storage.journal import Journal
from telephony.facts import Fact

#: Flows and prompts that come with Careline.
SHIPPED_FLOWS = Path(__file__).parent / "ivr"
SHIPPED_PROMPTS = Path(__file__).parent / "prompts"
#: The flow of callers who leave a queue by key.
QUEUE_EXIT = "leaving"
#: Flows that campaigns may name begin with this.
CAMPAIGN = "campaign_"
#: The flow of callers whose agent has hung up.
RATING = "rating"


def flows_folder(settings: Settings) -> Path:
    """Where the flows of these settings are."""
    return Path(settings.ivr.flows) if settings.ivr.flows else SHIPPED_FLOWS


def house(settings: Settings) -> House:
    """What flows may name: the queues, and sentences of the tables or of the house's own recordings."""
    texts = read_tables(SHIPPED_PROMPTS)
    own = load_prompts(settings).house_sounds
    return House(
        queues=tuple(settings.telephony.queues),
        sentences={
            language: frozenset(text.key for text in texts if text.language == language and not text.piece)
            | {key for spoken, key in own if spoken == language}
            for language in settings.telephony.hotline.languages
        },
    )


def load_menus(settings: Settings) -> Menus:
    """Every flow that a number names. Raises SettingsError with all mistakes of all files at once."""
    folder, here = flows_folder(settings), house(settings)
    mistakes: list[str] = []

    def load(
        name: str, this: str | None = None, why: str = "a number in the settings names it"
    ) -> Flow | None:
        path = folder / f"{name}.yaml"
        try:
            return load_flow(path, here, this)
        except FlowRefused as refused:
            mistakes.extend(str(mistake) for mistake in refused.mistakes)
        except OSError as error:
            mistakes.append(f"{path}: cannot be read: {error.strerror}; {why}.")
        return None

    wanted = settings.telephony.hotline.numbers
    flows = {name: load(name) for name in dict.fromkeys(wanted.values())}
    outbound = {
        path.stem: load(path.stem, why="its name says that campaigns use it")
        for path in sorted(folder.glob(f"{CAMPAIGN}*.yaml"))
    }
    leaving = {queue: load(QUEUE_EXIT, queue) for queue in settings.telephony.queues}
    rating = (
        load(RATING, why="telephony.rating.enabled wants it") if settings.telephony.rating.enabled else None
    )
    if not flows:
        mistakes.append("telephony.hotline.numbers is empty: name at least one called number and its flow.")
    if mistakes:
        raise SettingsError(list(dict.fromkeys(mistakes)))
    loaded = {name: flow for name, flow in flows.items() if flow is not None}
    return Menus(
        numbers={number: loaded[name] for number, name in wanted.items()},
        default=next(iter(loaded.values())),
        leaving={queue: flow for queue, flow in leaving.items() if flow is not None},
        rating=rating,
        outbound={name: flow for name, flow in outbound.items() if flow is not None},
    )


def load_prompts(settings: Settings) -> PromptBook:
    """The shipped sounds, and the house's own where settings name a folder."""
    own = Path(settings.ivr.prompts) if settings.ivr.prompts else None
    return load_book(SHIPPED_PROMPTS, own)


def limits(settings: Settings) -> Limits:
    """How patient the menus are."""
    return Limits(
        max_steps=settings.ivr.max_steps,
        tries=settings.ivr.tries,
        digit_seconds=settings.ivr.digit_seconds,
        offer_after_seconds=settings.telephony.callback.offer_after_seconds,
        max_waits={name: queue.max_wait_seconds for name, queue in settings.telephony.queues.items()},
        zone=ZoneInfo(settings.calendar.zone),
    )


def menu_words(menus: Menus) -> MenuWords:
    """What each key of each menu is called on the agents' page, by the titles of the flows."""
    words: dict[tuple[str, str], dict[str, Mapping[str, str]]] = {}
    rating = [menus.rating] if menus.rating else []
    for flow in (*menus.leaving.values(), *rating, *menus.outbound.values(), *menus.numbers.values()):
        for name, step in flow.nodes.items():
            keys: dict[str, str] = {}
            if isinstance(step, Menu):
                keys = {**flow.anywhere, **step.keys}
            elif isinstance(step, OfferCallback):
                keys = {step.accept: step.accepted}
            elif isinstance(step, Gather):
                keys = {"": name}
            titles = {key: flow.titles[target] for key, target in keys.items() if target in flow.titles}
            if titles:
                words[flow.name, name] = words["", name] = titles
    return words


class SafeJournal:
    """`ivr.ports.Journal` over the call log: what it raises in the menus' own words."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record(self, *facts: Fact) -> None:
        """Store facts; their call has its row when it returns."""
        try:
            await self._journal.record(*facts)
        except StorageUnavailable as error:
            raise Unavailable(str(error)) from error

    async def secure(self, *facts: Fact) -> None:
        """Make facts outlive the service; their row follows in a moment."""
        try:
            await self._journal.secure(*facts)
        except StorageUnavailable as error:
            raise Unavailable(str(error)) from error

"""Menus from the settings: which flows answer which numbers, and how patient they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from config.settings import Settings
from ivr.engine import Limits
from ivr.flow import Flow
from ivr.host import Menus
from ivr.loader import FlowRefused, House, Mistake, load_flow
from ivr.prompts import PromptBook, load_book
from ivr.texts import read_tables

HERE = Path(__file__).resolve().parent
#: Flows and prompts that come with Careline.
SHIPPED_FLOWS = HERE / "ivr"
SHIPPED_PROMPTS = HERE / "prompts"

#: The flow for callers who leave a queue; loaded once for every queue.
LEAVING = "leaving"


def flow_folder(settings: Settings) -> Path:
    """Where this house's flow files are."""
    return Path(settings.ivr.flows) if settings.ivr.flows else SHIPPED_FLOWS


def book_of(settings: Settings) -> PromptBook:
    """The sounds: the house's own recordings before the shipped ones."""
    return load_book(SHIPPED_PROMPTS, Path(settings.ivr.prompts) if settings.ivr.prompts else None)


def house_of(settings: Settings, book: PromptBook) -> House:
    """What flows may name: the queues, and the sentences of the tables and of the house's recordings."""
    languages = settings.telephony.hotline.languages
    texts = [text for text in read_tables(SHIPPED_PROMPTS) if not text.piece]
    return House(
        queues=tuple(settings.telephony.queues),
        sentences={
            language: {text.key for text in texts if text.language == language}
            | {key for spoken, key in book.house_sounds if spoken == language}
            for language in languages
        },
    )


def limits_of(settings: Settings) -> Limits:
    """How patient the menus are."""
    return Limits(
        max_steps=settings.ivr.max_steps,
        tries=settings.ivr.tries,
        digit_seconds=settings.ivr.digit_seconds,
        offer_after_seconds=settings.telephony.callback.offer_after_seconds,
        max_waits={name: queue.max_wait_seconds for name, queue in settings.telephony.queues.items()},
        zone=ZoneInfo(settings.calendar.zone),
    )


def load_menus(settings: Settings, book: PromptBook) -> Menus:
    """Every flow the settings name. Raises FlowRefused with the mistakes of all files at once."""
    folder, house = flow_folder(settings), house_of(settings, book)
    mistakes: list[Mistake] = []
    flows: dict[str, Flow] = {}
    for name in dict.fromkeys(settings.telephony.hotline.numbers.values()):
        _load(folder / f"{name}.yaml", house, None, name, flows, mistakes)
    leaving: dict[str, Flow] = {}
    if (folder / f"{LEAVING}.yaml").exists():
        for queue in settings.telephony.queues:
            _load(folder / f"{LEAVING}.yaml", house, queue, queue, leaving, mistakes)
    if mistakes:
        raise FlowRefused(tuple(sorted(set(mistakes))))
    numbers: Mapping[str, Flow] = {
        number: flows[name] for number, name in settings.telephony.hotline.numbers.items()
    }
    if not numbers:
        nothing = Mistake(file="settings", line=1, what="telephony.hotline.numbers names no flow")
        raise FlowRefused((nothing,))
    return Menus(numbers=numbers, default=next(iter(numbers.values())), leaving=leaving)


def _load(
    path: Path, house: House, this: str | None, name: str, into: dict[str, Flow], mistakes: list[Mistake]
) -> None:
    try:
        into[name] = load_flow(path, house, this)
    except FlowRefused as error:
        mistakes.extend(error.mistakes)
    except OSError as error:
        mistakes.append(Mistake(file=str(path), line=1, what=f"cannot be read: {error.strerror}"))

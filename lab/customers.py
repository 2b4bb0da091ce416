"""Customers who call the dealership: what each kind of person does, and a seeded script of many of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import yaml

from lab.network import KeysBy

MENUS_FILE: Final = Path(__file__).parent / "menus.yaml"


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Wait and listen for this many seconds."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Press:
    """Press these keys one after the other."""

    keys: str


@dataclass(frozen=True, kw_only=True)
class Speak:
    """Say something: a sound file, path without extension, or the name of one of the lab's own sounds."""

    sound: str = "speech"


@dataclass(frozen=True, kw_only=True)
class Stay:
    """Stay on the line until the other side hangs up, but at most this many seconds; then hang up.

    `speaks` keeps talking meanwhile, so that the other side hears and records something.
    """

    seconds: float
    speaks: bool = False


@dataclass(frozen=True, kw_only=True)
class HangUp:
    """Hang up now."""


Step = Listen | Press | Speak | Stay | HangUp


@dataclass(frozen=True, kw_only=True)
class Customer:
    """One customer's call from beginning to end.

    `caller` is the number shown (empty for none), `hidden` withholds it, `gives_up_ringing` is how many
    seconds she lets it ring, `steps` is what she does once the call is answered; after the last step she
    hangs up.
    """

    person: str
    caller: str
    called: str
    steps: tuple[Step, ...]
    name: str = ""
    hidden: bool = False
    keys_by: KeysBy = "rfc4733"
    gives_up_ringing: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One line of a script: this customer calls `at` seconds after the script's start."""

    at: float
    customer: Customer


Menus = Mapping[str, tuple[tuple[float, str], ...]]
"""What to press to get somewhere: name of a wish to pairs of seconds to listen and keys to press."""


def read_menus(path: Path = MENUS_FILE) -> Menus:
    """The table of keys from a YAML file: `wish: [[seconds, "keys"], ...]`.

    Raises `ValueError` naming the first entry that is not of that form.
    """
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    menus: dict[str, tuple[tuple[float, str], ...]] = {}
    for wish, rows in table.items():
        try:
            menus[wish] = tuple((float(seconds), str(keys)) for seconds, keys in rows)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {wish} must be a list of [seconds, keys]: {rows!r}") from error
    return menus


Ending = Literal["far", "queue", "menu", "ringing", "message"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """A kind of caller.

    `weight` is her share of all callers, `wish` the row of the table of keys she follows, `first` rows she
    goes through before it. `ending`: "far" stays until the other side hangs up, "queue" loses patience after
    `patience` seconds (least, most) in the queue, "menu" hangs up after that long in the menu, "ringing"
    gives up before the answer, "message" speaks, presses # and hangs up. `complaint_line` calls the last of
    the dealership's numbers instead of the first.
    """

    kind: str
    weight: float
    wish: str
    first: tuple[str, ...] = ()
    ending: Ending = "far"
    patience: tuple[float, float] = (30.0, 180.0)
    hidden: bool = False
    key_customer: bool = False
    complaint_line: bool = False
    keys_by: KeysBy | None = None


PEOPLE: Final[tuple[Person, ...]] = (
    Person(kind="booker", weight=24, wish="booking"),
    Person(kind="sales-asker", weight=16, wish="sales"),
    Person(kind="complainer", weight=8, wish="complaint", patience=(60.0, 240.0)),
    Person(kind="stranded-driver", weight=6, wish="roadside", patience=(120.0, 300.0)),
    Person(kind="person-asker", weight=8, wish="person"),
    Person(kind="key-customer", weight=6, wish="person", key_customer=True, patience=(20.0, 60.0)),
    Person(kind="english-speaker", weight=4, first=("english",), wish="booking"),
    Person(kind="hidden-caller", weight=4, wish="person", hidden=True),
    Person(kind="impatient", weight=8, wish="person", ending="queue", patience=(3.0, 10.0)),
    Person(kind="menu-quitter", weight=4, wish="nothing", ending="menu", patience=(1.0, 6.0)),
    Person(kind="early-quitter", weight=2, wish="nothing", ending="ringing", patience=(0.05, 0.3)),
    Person(kind="silent-one", weight=3, wish="nothing"),
    Person(kind="wrong-keys", weight=3, first=("wrong",), wish="booking"),
    Person(kind="plate-typer", weight=2, wish="plate"),
    Person(kind="advertising-refuser", weight=2, wish="opt-out", patience=(10.0, 20.0)),
    Person(kind="call-back-asker", weight=2, wish="call-back"),
    Person(kind="complaint-line", weight=4, wish="complaint-line", complaint_line=True),
)
"""Who calls in opening hours."""

AFTER_HOURS: Final[tuple[Person, ...]] = (
    Person(kind="voicemail-leaver", weight=3, wish="after-hours-message", ending="message"),
    Person(kind="after-hours-caller", weight=3, wish="after-hours-call-back"),
    Person(kind="after-hours-roadside", weight=1, wish="after-hours-roadside", patience=(60.0, 180.0)),
    Person(kind="after-hours-quitter", weight=1, wish="nothing", ending="menu", patience=(2.0, 8.0)),
)
"""Who calls when the house is closed."""


def steps_of(person: Person, menus: Menus, rng: random.Random) -> tuple[Step, ...]:
    """What this person does once the call is answered; raises `KeyError` for a wish the table lacks."""
    if person.ending in ("menu", "ringing"):
        return (Listen(seconds=_between(rng, person.patience)), HangUp())
    steps: list[Step] = []
    for wish in (*person.first, person.wish):
        for seconds, keys in menus[wish]:
            steps.append(Listen(seconds=round(seconds * rng.uniform(1.0, 1.3), 2)))
            if keys:
                steps.append(Press(keys=keys))
    if person.ending == "message":
        return (*steps, Speak(), Press(keys="#"), Listen(seconds=1.5), HangUp())
    patience = _between(rng, person.patience)
    return (*steps, Stay(seconds=patience, speaks=person.ending == "far"))


def script(
    *,
    seed: int | str,
    called: Sequence[str],
    callers: Sequence[str],
    rate: float,
    seconds: float,
    key_callers: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    people: Sequence[Person] = PEOPLE,
    menus: Menus | None = None,
    info_share: float = 0.3,
) -> tuple[Visit, ...]:
    """Who calls when and does what: the same arguments give the same script, always.

    `called` are the dealership's numbers: the service line first, the complaint line last. `callers` are the
    numbers customers call from, `key_callers` those of key customers, `names` their display names. Calls
    come at random (Poisson) at `rate` a second for `seconds` seconds; `info_share` of them send keys by SIP
    INFO instead of RFC 4733.
    """
    rng = random.Random(f"{seed}")
    table = read_menus() if menus is None else menus
    weights = [person.weight for person in people]
    visits = []
    at = rng.expovariate(rate)
    while at < seconds:
        person = rng.choices(people, weights)[0]
        pool = key_callers if person.key_customer and key_callers else callers
        caller = rng.choice(pool)
        keys_by: KeysBy = "info" if rng.random() < info_share else "rfc4733"
        number = called[-1] if person.complaint_line else called[0]
        steps = steps_of(person, table, rng)
        customer = Customer(
            person=person.kind,
            caller="" if person.hidden else caller,
            name="" if person.hidden else (names or {}).get(caller, ""),
            called=number,
            hidden=person.hidden,
            keys_by=person.keys_by or keys_by,
            steps=steps,
        )
        if person.ending == "ringing":
            customer = replace(customer, gives_up_ringing=_between(rng, person.patience))
        visits.append(Visit(at=round(at, 3), customer=customer))
        at += rng.expovariate(rate)
    return tuple(visits)


def burst(visits: Sequence[Visit], *, within: float = 1.0) -> tuple[Visit, ...]:
    """The same customers, all calling within so many seconds (R36)."""
    step = within / max(len(visits), 1)
    return tuple(replace(visit, at=round(number * step, 4)) for number, visit in enumerate(visits))


def _between(rng: random.Random, limits: tuple[float, float]) -> float:
    return round(rng.uniform(*limits), 2)

"""Reads a flow file and either gives a checked flow or all its mistakes at once.

FlowError
└── FlowRefused   every mistake with file, line, what is wrong and what is allowed; nothing was loaded
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from access.users import LANGUAGES
from ivr import flow as steps
from ivr.flow import (
    CONDITIONS,
    KNOWN_VALUES,
    OTHER,
    VALUE_KINDS,
    Flow,
    Group,
    Piece,
    Prompt,
    Sentence,
    Step,
    Value,
)

#: A flow file beyond these is a mistake, not a menu.
MOST_BYTES: Final = 262_144
MOST_NODES: Final = 500
_LONGEST_TITLE: Final = 24

#: In a flow for callers who leave a queue: that queue.
THIS: Final = "this"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEY = re.compile(r"[0-9*]")
_QUEUE = re.compile(r"[0-9A-Za-z]{1,32}")


class FlowError(Exception):
    """Base of what can be wrong with a flow."""

    error_id = "flow-error"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Mistake:
    """One thing wrong in a flow file."""

    file: str
    line: int
    what: str
    allowed: str = ""

    def __str__(self) -> str:
        allowed = f" Allowed: {self.allowed}." if self.allowed else ""
        return f"{self.file}:{self.line}: {self.what}.{allowed}"


class FlowRefused(FlowError):
    """The file has mistakes; the flow that was in use before stays in use."""

    error_id = "flow-refused"

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What the house has: flows may only name these."""

    #: Names of the queues.
    queues: Collection[str]
    #: Language to keys of its sentences; every sentence used must exist in all of them.
    sentences: Mapping[str, Collection[str]]


_NodeReader: TypeAlias = Callable[["_Reading", yaml.Node, str], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """How one key of a step is read. `default` is used where the key may be left out."""

    read: _NodeReader
    required: bool = True
    default: object = None


@dataclass(kw_only=True)
class _Reading:
    """One file being read: its house, what is wrong so far, and names used before they are known."""

    file: str
    house: House
    mistakes: list[Mistake] = field(default_factory=list)
    #: (target, line, where it is named)
    targets: list[tuple[str, int, str]] = field(default_factory=list)
    #: (value name, line)
    values: list[tuple[str, int]] = field(default_factory=list)
    gathered: set[str] = field(default_factory=set)
    way_out: str = ""
    this: str | None = None

    def wrong(self, node: yaml.Node, what: str, allowed: str = "") -> None:
        line = node.start_mark.line + 1
        self.mistakes.append(Mistake(file=self.file, line=line, what=what, allowed=allowed))


def load_flow(path: Path, house: House, this: str | None = None) -> Flow:
    """The flow in a file. Raises FlowRefused with every mistake; OSError where the file cannot be read.

    `this` is the queue that a flow for callers who leave a queue means by "this".
    """
    return read_flow(path.read_bytes(), str(path), house, this)


def read_flow(data: bytes, file: str, house: House, this: str | None = None) -> Flow:
    """The flow in `data`. Raises FlowRefused with every mistake found, in order of lines."""
    reading = _Reading(file=file, house=house, this=this)
    root = _compose(data, reading)
    result = None if root is None else _read_root(reading, root, hashlib.sha1(data).hexdigest()[:12])  # noqa: S324 - a version, not a secret
    if reading.mistakes or result is None:
        raise FlowRefused(tuple(sorted(set(reading.mistakes))))
    return result


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _compose(data: bytes, reading: _Reading) -> yaml.Node | None:
    def refuse(line: int, what: str, allowed: str = "") -> None:
        reading.mistakes.append(Mistake(file=reading.file, line=line, what=what, allowed=allowed))

    if len(data) > MOST_BYTES:
        refuse(1, f"the file has {len(data)} bytes", f"at most {MOST_BYTES}")
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        refuse(data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8", "text in UTF-8")
        return None
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                refuse(
                    _line(event),
                    f"*{event.anchor} repeats another part",
                    "every part written out",
                )
                return None
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        refuse(1 if mark is None else mark.line + 1, f"this is not YAML: {error.problem or error.context}")
        return None
    except (yaml.YAMLError, RecursionError) as error:
        refuse(1, f"this is not YAML: {type(error).__name__}")
        return None
    if root is None:
        refuse(1, "the file is empty", "a flow")
    return root


def _entries(reading: _Reading, node: yaml.Node, where: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Key, key node and value node of a mapping; repeated keys are mistakes."""
    if not isinstance(node, yaml.MappingNode):
        reading.wrong(node, f"{where} is not a mapping", "key: value")
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name in seen:
            reading.wrong(key, f"{where} has {name!r} twice")
            continue
        seen.add(name)
        yield name, key, value


def _scalar(reading: _Reading, node: yaml.Node, where: str, allowed: str) -> str | None:
    if isinstance(node, yaml.ScalarNode) and node.value != "":
        return str(node.value)
    reading.wrong(node, f"{where} is missing or not a single value", allowed)
    return None


def _word(allowed: Collection[str], reading: _Reading, node: yaml.Node, where: str) -> str | None:
    text = ", ".join(allowed)
    value = _scalar(reading, node, where, text)
    if value is None or value in allowed:
        return value
    reading.wrong(node, f"{where} is {value!r}", text)
    return None


def _words(allowed: Collection[str], reading: _Reading, node: yaml.Node, where: str) -> tuple[str, ...]:
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    found = tuple(_word(allowed, reading, item, where) for item in items)
    return tuple(word for word in found if word is not None)


def _name(reading: _Reading, node: yaml.Node, where: str) -> str | None:
    allowed = "a-z, 0-9 and _, beginning with a letter, at most 64"
    value = _scalar(reading, node, where, allowed)
    if value is None or _NAME.fullmatch(value):
        return value
    reading.wrong(node, f"{where} is {value!r}", allowed)
    return None


def _target(reading: _Reading, node: yaml.Node, where: str) -> str:
    value = _scalar(reading, node, where, "name of a node")
    if value is None:
        return ""
    reading.targets.append((value, node.start_mark.line + 1, where))
    return value


def _language(reading: _Reading, node: yaml.Node, where: str) -> str | None:
    return _word(sorted(reading.house.sentences), reading, node, where)


def _language_or_other(reading: _Reading, node: yaml.Node, where: str) -> str | None:
    return _word([*sorted(reading.house.sentences), OTHER], reading, node, where)


def _queue(reading: _Reading, node: yaml.Node, where: str) -> str | None:
    known = sorted(name for name in reading.house.queues if _QUEUE.fullmatch(name))
    if reading.this is None:
        return _word(known, reading, node, where)
    word = _word([*known, THIS], reading, node, where)
    return reading.this if word == THIS else word


def _number(
    least: float, most: float, whole: bool, reading: _Reading, node: yaml.Node, where: str
) -> float | int | None:
    allowed = f"{'whole number' if whole else 'number'} from {least:g} to {most:g}"
    text = _scalar(reading, node, where, allowed)
    if text is None:
        return None
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        reading.wrong(node, f"{where} is {text!r}", allowed)
        return None
    return value


def _flag(reading: _Reading, node: yaml.Node, where: str) -> bool:
    return _word(("yes", "no"), reading, node, where) == "yes"


def _key(reading: _Reading, node: yaml.Node, where: str) -> str | None:
    value = _scalar(reading, node, where, "one key, 0 to 9 or *")
    if value is None or _KEY.fullmatch(value):
        return value
    reading.wrong(node, f"{where} is {value!r}", "one key, 0 to 9 or * (# ends an input)")
    return None


def _keys(reading: _Reading, node: yaml.Node, where: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, key, value in _entries(reading, node, where):
        if not _KEY.fullmatch(name):
            reading.wrong(key, f"{where} has the key {name!r}", "one key, 0 to 9 or * (# ends an input)")
            continue
        found[name] = _target(reading, value, f"{where} {name}")
    return found


def _digits(reading: _Reading, node: yaml.Node, where: str) -> tuple[int, int] | None:
    allowed = "[least, most], whole numbers from 1 to 32"
    if not isinstance(node, yaml.SequenceNode) or len(node.value) != 2:
        reading.wrong(node, f"{where} is not a pair", allowed)
        return None
    least, most = (_number(1, 32, True, reading, item, where) for item in node.value)
    if least is None or most is None:
        return None
    if least > most:
        reading.wrong(node, f"{where} has {least} above {most}", allowed)
        return None
    return int(least), int(most)


def _sentence(reading: _Reading, node: yaml.Node, key: str, language: str | None = None) -> Sentence:
    for spoken in sorted(reading.house.sentences) if language in (None, OTHER) else (language,):
        if key not in reading.house.sentences.get(spoken, ()):
            reading.wrong(
                node, f"sentence {key!r} does not exist in {spoken}", "a key of the sentence tables"
            )
    return Sentence(key=key, language=language)


def _read_aloud(reading: _Reading, node: yaml.MappingNode, where: str) -> Sentence | Value | None:
    """`{date: opens_at}`, or `{say: choose_english, in: en}`."""
    parts = {name: (key, value) for name, key, value in _entries(reading, node, where)}
    if "say" in parts:
        language = None
        for name, (key, value) in parts.items():
            if name == "in":
                language = _language_or_other(reading, value, f"{where} in")
            elif name != "say":
                reading.wrong(key, f"{where} has the unknown key {name!r}", "say, in")
        text = _scalar(reading, parts["say"][1], where, "key of a sentence")
        return None if text is None else _sentence(reading, parts["say"][1], text, language)
    if len(parts) != 1:
        reading.wrong(
            node, f"{where} has {len(parts)} keys", "one of " + ", ".join(VALUE_KINDS) + ", or say and in"
        )
        return None
    (kind, (key, value)) = next(iter(parts.items()))
    if kind not in VALUE_KINDS:
        reading.wrong(key, f"{where} cannot read {kind!r} aloud", ", ".join(VALUE_KINDS))
        return None
    known_as = _scalar(reading, value, where, "name of a value")
    if known_as is None:
        return None
    reading.values.append((known_as, value.start_mark.line + 1))
    return Value(kind=kind, name=known_as)


def _prompt(reading: _Reading, node: yaml.Node, where: str, *, inner: bool = False) -> Prompt:
    if isinstance(node, yaml.ScalarNode) and node.value != "":
        return (_sentence(reading, node, node.value),)
    if not isinstance(node, yaml.SequenceNode):
        reading.wrong(
            node, f"{where} is not a prompt", "a sentence, or a list of sentences, values and groups"
        )
        return ()
    pieces: list[Piece] = []
    for item in node.value:
        if isinstance(item, yaml.ScalarNode):
            pieces.append(_sentence(reading, item, item.value))
        elif isinstance(item, yaml.MappingNode):
            piece = _read_aloud(reading, item, where)
            if piece is not None:
                pieces.append(piece)
        elif inner:
            reading.wrong(item, f"{where} has a group inside a group", "groups of sentences and values")
        else:
            group = _prompt(reading, item, where, inner=True)
            pieces.append(Group(pieces=tuple(p for p in group if not isinstance(p, Group))))
    return tuple(pieces)


_INVALID: Final[Prompt] = (Sentence(key="invalid_key"),)
_MISSING: Final[Prompt] = (Sentence(key="no_key"),)
_NUMBER: Final[Prompt] = (Sentence(key="survey_hash"),)

_SECONDS = _Field(read=partial(_number, 1, 60, False), required=False)
_TRIES = _Field(read=partial(_number, 1, 10, True), required=False)
_PRIORITY = _Field(read=partial(_number, 0, 99, True), required=False, default=0)
_KEY_PRIORITY = _Field(read=partial(_number, 0, 99, True), required=False, default=10)
_TARGET = _Field(read=_target)
_OTHERWISE = _Field(read=_target, required=False)
_PROMPT = _Field(read=_prompt)
_NO_PROMPT = _Field(read=_prompt, required=False, default=())
_ONE_QUEUE = _Field(read=_queue)

#: Every step: how it is written in a file, key by key.
FIELDS: Final[Mapping[str, tuple[type[Step], Mapping[str, _Field]]]] = {
    "say": (steps.Say, {"prompt": _PROMPT, "next": _TARGET}),
    "menu": (
        steps.Menu,
        {
            "prompt": _PROMPT,
            "keys": _Field(read=_keys),
            "otherwise": _OTHERWISE,
            "invalid": _Field(read=_prompt, required=False, default=_INVALID),
            "missing": _Field(read=_prompt, required=False, default=_MISSING),
            "seconds": _SECONDS,
            "tries": _TRIES,
        },
    ),
    "gather": (
        steps.Gather,
        {
            "prompt": _PROMPT,
            "into": _Field(read=_name),
            "digits": _Field(read=_digits),
            "next": _TARGET,
            "skip": _OTHERWISE,
            "otherwise": _OTHERWISE,
            "invalid": _Field(read=_prompt, required=False, default=_INVALID),
            "missing": _Field(read=_prompt, required=False, default=_MISSING),
            "seconds": _SECONDS,
            "tries": _TRIES,
        },
    ),
    "rate": (
        steps.Rate,
        {
            "prompt": _PROMPT,
            "next": _TARGET,
            "otherwise": _OTHERWISE,
            "invalid": _Field(read=_prompt, required=False, default=_INVALID),
            "missing": _Field(read=_prompt, required=False, default=_MISSING),
            "seconds": _SECONDS,
            "tries": _TRIES,
        },
    ),
    "language": (steps.Language, {"language": _Field(read=_language_or_other), "next": _TARGET}),
    "hours": (steps.Hours, {"open": _TARGET, "lunch": _TARGET, "closed": _TARGET, "holiday": _TARGET}),
    "identify": (
        steps.Identify,
        {
            "by": _Field(read=partial(_word, ("caller", "plate", "vin"))),
            "using": _Field(read=_name, required=False),
            "found": _TARGET,
            "several": _TARGET,
            "unknown": _TARGET,
            "language": _Field(read=_flag, required=False, default=True),
        },
    ),
    "check": (
        steps.Check,
        {"when": _Field(read=partial(_word, CONDITIONS)), "yes": _TARGET, "no": _TARGET},
    ),
    "staffing": (
        steps.Staffing,
        {"queue": _ONE_QUEUE, "ready": _TARGET, "busy": _TARGET, "unstaffed": _TARGET, "full": _TARGET},
    ),
    "queue": (
        steps.Queue,
        {
            "queue": _ONE_QUEUE,
            "priority": _PRIORITY,
            "key_priority": _KEY_PRIORITY,
            "max_wait": _Field(read=partial(_number, 10, 7200, True), required=False),
            "prompt": _NO_PROMPT,
        },
    ),
    "person": (
        steps.Person,
        {
            "who": _Field(read=partial(_words, ("own", "last"))),
            "queue": _ONE_QUEUE,
            "seconds": _Field(read=partial(_number, 5, 120, True), required=False, default=20),
            "priority": _PRIORITY,
            "key_priority": _KEY_PRIORITY,
            "own_prompt": _NO_PROMPT,
            "last_prompt": _NO_PROMPT,
            "otherwise": _TARGET,
        },
    ),
    "announce": (steps.Announce, {"queue": _ONE_QUEUE, "prompt": _PROMPT, "next": _TARGET}),
    "offer_callback": (
        steps.OfferCallback,
        {
            "queue": _ONE_QUEUE,
            "after_seconds": _Field(read=partial(_number, 0, 3600, True), required=False),
            "prompt": _PROMPT,
            "accept": _Field(read=_key),
            "seconds": _SECONDS,
            "accepted": _TARGET,
            "declined": _TARGET,
        },
    ),
    "callback": (
        steps.Callback,
        {
            "queue": _ONE_QUEUE,
            "number": _Field(read=_name, required=False, default="caller"),
            "next": _TARGET,
            "otherwise": _TARGET,
        },
    ),
    "voicemail": (steps.Voicemail, {"box": _ONE_QUEUE, "prompt": _NO_PROMPT}),
    "opt_out": (
        steps.OptOut,
        {
            "purpose": _Field(read=partial(_word, ("advertising", "visits", "reminders", "all", "campaign"))),
            "next": _TARGET,
            "otherwise": _TARGET,
        },
    ),
    "notice": (
        steps.Notice,
        {
            "notice": _Field(read=partial(_word, ("recording",)), required=False, default="recording"),
            "prompt": _PROMPT,
            "refuse": _Field(read=_key),
            "refused": _NO_PROMPT,
            "seconds": _Field(read=partial(_number, 0.5, 30, False), required=False, default=1.5),
            "next": _TARGET,
        },
    ),
    "send_text": (steps.SendText, {"template": _Field(read=_name), "next": _TARGET}),
    "task": (
        steps.CreateTask,
        {
            "task": _Field(read=_name),
            "queue": _ONE_QUEUE,
            "minutes": _Field(read=partial(_number, 5, 14400, True), required=False, default=60),
            "next": _TARGET,
            "otherwise": _TARGET,
        },
    ),
    "appointment": (
        steps.Appointment,
        {
            "act": _Field(read=partial(_word, steps.APPOINTMENT_ACTS)),
            "work": _Field(
                read=partial(_word, ("maintenance", "repair", "bodywork", "test_drive", "delivery", "other")),
                required=False,
                default="maintenance",
            ),
            "choice": _Field(read=partial(_number, 1, 3, True), required=False, default=1),
            "next": _TARGET,
            "none": _TARGET,
            "otherwise": _TARGET,
        },
    ),
    "survey": (
        steps.Survey,
        {
            "questionnaire": _Field(read=_name),
            "number_prompt": _Field(read=_prompt, required=False, default=_NUMBER),
            "invalid": _Field(read=_prompt, required=False, default=_INVALID),
            "missing": _Field(read=_prompt, required=False, default=_MISSING),
            "next": _TARGET,
            "partly": _TARGET,
            "otherwise": _TARGET,
            "person": _OTHERWISE,
            "seconds": _SECONDS,
            "tries": _TRIES,
        },
    ),
    "hangup": (steps.HangUp, {"prompt": _NO_PROMPT}),
}


def _read_step(reading: _Reading, name: str, node: yaml.Node) -> Step | None:
    entries = {key: (at, value) for key, at, value in _entries(reading, node, f"node {name}")}
    if not isinstance(node, yaml.MappingNode):
        return None
    if "do" not in entries:
        reading.wrong(node, f"node {name} has no do", ", ".join(FIELDS))
        return None
    kind = _word(tuple(FIELDS), reading, entries.pop("do")[1], f"do of node {name}")
    if kind is None:
        return None
    made, fields = FIELDS[kind]
    before = len(reading.mistakes)
    values: dict[str, object] = {}
    for key, (at, value) in entries.items():
        if key not in fields:
            reading.wrong(at, f"node {name} ({kind}) has the unknown key {key!r}", "do, " + ", ".join(fields))
            continue
        values[key] = fields[key].read(reading, value, f"{key} of node {name}")
    for key, rule in fields.items():
        if key in values:
            continue
        if rule.required:
            reading.wrong(node, f"node {name} ({kind}) has no {key}", "do, " + ", ".join(fields))
        values[key] = rule.default
    if len(reading.mistakes) > before:
        return None
    _complete(reading, node, name, kind, values)
    if len(reading.mistakes) > before:
        return None
    return made(**values)  # type: ignore[arg-type]  # the table above gives each step its own fields


def _complete(reading: _Reading, node: yaml.Node, name: str, kind: str, values: dict[str, object]) -> None:
    """Defaults that depend on other parts, and rules between two keys of one step."""
    line = node.start_mark.line + 1
    if kind in ("menu", "gather", "rate") and values["otherwise"] is None:
        values["otherwise"] = reading.way_out
    if kind in ("menu", "rate"):
        for prompt in ("invalid", "missing"):
            _check_default(reading, node, values[prompt])
        if kind == "menu" and not values["keys"]:
            reading.wrong(node, f"menu {name} has no keys", "at least one key")
    if kind == "survey":
        for prompt in ("number_prompt", "invalid", "missing"):
            _check_default(reading, node, values[prompt])
    if kind == "gather":
        digits = values.pop("digits")
        if isinstance(digits, tuple):
            values["least"], values["most"] = digits
        values["skip"] = values["skip"] or values["otherwise"]
        reading.gathered.add(str(values["into"]))
        if str(values["into"]) in KNOWN_VALUES:
            reading.wrong(node, f"into of node {name} is {values['into']!r}, which the service fills itself")
        for prompt in ("invalid", "missing"):
            _check_default(reading, node, values[prompt])
    if kind == "identify" and (values["by"] == "caller") != (values["using"] is None):
        reading.wrong(
            node, f"node {name}: by {values['by']} and using do not fit", "using only with plate and vin"
        )
    for key in ("using", "number"):
        if isinstance(values.get(key), str):
            reading.values.append((str(values[key]), line))


def _check_default(reading: _Reading, node: yaml.Node, prompt: object) -> None:
    if prompt is _INVALID or prompt is _MISSING or prompt is _NUMBER:
        for piece in prompt:
            if isinstance(piece, Sentence):
                _sentence(reading, node, piece.key)


def _read_root(reading: _Reading, root: yaml.Node, version: str) -> Flow | None:
    allowed = "flow, language, start, way_out, anywhere, titles, nodes"
    entries: dict[str, yaml.Node] = {}
    for key, at, value in _entries(reading, root, "the file"):
        if key not in allowed.split(", "):
            reading.wrong(at, f"the file has the unknown key {key!r}", allowed)
        entries[key] = value
    for key in ("flow", "language", "start", "way_out", "nodes"):
        if key not in entries:
            reading.wrong(root, f"the file has no {key}", allowed)
    if any(key not in entries for key in ("flow", "language", "start", "way_out", "nodes")):
        return None
    name = _name(reading, entries["flow"], "flow")
    language = _language(reading, entries["language"], "language")
    start = _target(reading, entries["start"], "start")
    reading.way_out = way_out = _target(reading, entries["way_out"], "way_out")
    anywhere = _keys(reading, entries["anywhere"], "anywhere") if "anywhere" in entries else {}
    titles = _titles(reading, entries["titles"]) if "titles" in entries else {}
    nodes: dict[str, Step] = {}
    lines: dict[str, int] = {}
    for node_name, at, value in _entries(reading, entries["nodes"], "nodes"):
        if not _NAME.fullmatch(node_name):
            reading.wrong(at, f"a node is called {node_name!r}", "a-z, 0-9 and _, beginning with a letter")
            continue
        lines[node_name] = at.start_mark.line + 1
        step = _read_step(reading, node_name, value)
        if step is not None:
            nodes[node_name] = step
    if len(lines) > MOST_NODES:
        reading.wrong(entries["nodes"], f"the flow has {len(lines)} nodes", f"at most {MOST_NODES}")
    _check_names(reading, lines)
    if len(nodes) == len(lines) and not any(target not in lines for target, _, _ in reading.targets):
        _check_reach(reading, nodes, lines, [start, way_out, *anywhere.values()])
        _check_loops(reading, nodes, lines)
    if name is None or language is None:
        return None
    return Flow(
        name=name,
        version=version,
        start=start,
        way_out=way_out,
        language=language,
        languages=(language, *sorted(set(reading.house.sentences) - {language})),
        anywhere=anywhere,
        titles=titles,
        nodes=nodes,
    )


def _titles(reading: _Reading, node: yaml.Node) -> dict[str, dict[str, str]]:
    """What nodes are called on the agents' page, in every language the pages have."""
    allowed = f"one line of at most {_LONGEST_TITLE} characters"
    titles: dict[str, dict[str, str]] = {}
    for name, at, value in _entries(reading, node, "titles"):
        reading.targets.append((name, at.start_mark.line + 1, "titles"))
        words: dict[str, str] = {}
        for language, place, title in _entries(reading, value, f"the title of {name}"):
            text = _scalar(reading, title, f"the title of {name}", allowed)
            if language not in LANGUAGES:
                reading.wrong(place, f"the title of {name} is in {language!r}", ", ".join(LANGUAGES))
            elif text is not None and (len(text) > _LONGEST_TITLE or not text.isprintable()):
                reading.wrong(title, f"the title of {name} cannot be shown", allowed)
            elif text is not None:
                words[language] = text
        for missing in sorted(set(LANGUAGES) - words.keys()):
            reading.wrong(at, f"the title of {name} is missing in {missing}", allowed)
        titles[name] = words
    return titles


def _check_names(reading: _Reading, lines: Mapping[str, int]) -> None:
    for target, line, where in reading.targets:
        if target not in lines:
            reading.mistakes.append(
                Mistake(
                    file=reading.file,
                    line=line,
                    what=f"{where} leads to {target!r}, which does not exist",
                    allowed="a node of this file" + _close(target, lines),
                )
            )
    known = {*KNOWN_VALUES, *reading.gathered}
    for value, line in reading.values:
        if value not in known:
            reading.mistakes.append(
                Mistake(
                    file=reading.file,
                    line=line,
                    what=f"nothing is known as {value!r}",
                    allowed=", ".join(sorted(known)),
                )
            )


def _close(target: str, names: Collection[str]) -> str:
    """A hint where a name differs in its ending only or was cut."""
    near = sorted(name for name in names if name.startswith(target[:4]) or target.startswith(name[:4]))
    return f", such as {', '.join(near[:3])}" if near else ""


def _check_reach(
    reading: _Reading, nodes: Mapping[str, Step], lines: Mapping[str, int], roots: list[str]
) -> None:
    seen: set[str] = set()
    open_nodes = list(roots)
    while open_nodes:
        name = open_nodes.pop()
        if name not in seen:
            seen.add(name)
            open_nodes.extend(nodes[name].targets())
    for name in nodes:
        if name not in seen:
            reading.mistakes.append(
                Mistake(
                    file=reading.file,
                    line=lines[name],
                    what=f"nothing leads to node {name}",
                    allowed="nodes reached from start, way_out or anywhere",
                )
            )


def _check_loops(reading: _Reading, nodes: Mapping[str, Step], lines: Mapping[str, int]) -> None:
    """A ring of nodes that goes round while the caller presses nothing would never end."""
    done: set[str] = set()
    for root in nodes:
        trail: dict[str, None] = {}
        stack: list[tuple[str, Iterator[str]]] = []
        if root in done:
            continue
        stack.append((root, steps.silent_targets(nodes[root])))
        trail[root] = None
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                trail.pop(name)
                done.add(name)
            elif following in trail:
                names = list(trail)
                ring = [*names[names.index(following) :], following]
                reading.mistakes.append(
                    Mistake(
                        file=reading.file,
                        line=lines[following],
                        what=f"{' -> '.join(ring)} goes round while the caller presses nothing",
                        allowed="rings in which a key is pressed",
                    )
                )
            elif following not in done:
                trail[following] = None
                stack.append((following, steps.silent_targets(nodes[following])))

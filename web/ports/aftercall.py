"""What pages and programs need after a call: filing, drafts, scripts, knowledge, sounds, tasks by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.dispositions.dispositions import DispositionSet
from crm.knowledge.articles import Article, ArticleState, Hit
from crm.registrations.filing import Content, Draft, Registration
from crm.registrations.forms import Form
from crm.scripts.differences import Differences
from crm.scripts.drafts import DraftScript
from crm.scripts.facts import NO_FACTS
from crm.scripts.states import ScriptFault, ScriptVersion
from crm.scripts.templates import ScriptPart
from crm.versions import VersionStep
from telephony.call_lists import CallView
from telephony.listening import Mark, SoundFilter, SoundKind, SoundPage, SoundView

if TYPE_CHECKING:
    from web.ports import TaskPage, TaskView

#: What a definition defines.
Kind = Literal["form", "dispositions", "script"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OthersDraft:
    """What a colleague typed about the same call before it came here."""

    name: str
    saved_at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """Everything the right panel needs to file one call."""

    call: CallView
    #: Every call type that is offered, in order.
    forms: Sequence[Form]
    #: Disposition sets by name.
    sets: Mapping[str, DispositionSet]
    #: Call type to begin with.
    suggested: str
    draft: Draft | None
    others: Sequence[OthersDraft]
    registration: Registration | None
    may_file: bool
    may_correct: bool
    #: Department to its label per language; user id to name.
    departments: Mapping[str, Mapping[str, str]]
    people: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfiledView:
    """A call to file, as this viewer may see it."""

    call_id: str
    agent_id: str
    agent_name: str | None
    started_at: datetime
    ended_at: datetime
    number: str | None
    customer_id: str | None
    customer_name: str | None
    queue: str | None
    direction: str
    has_draft: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfiledPage:
    items: Sequence[UnfiledView]
    next: str | None = None


class Registrations(Protocol):
    """Filing calls. What a filing brings about is durable with it."""

    async def panel(self, viewer: Principal, call_id: str, now: datetime) -> Panel:
        """Raises CallNotFound, also where the call is not for this viewer."""

    async def save_draft(
        self, viewer: Principal, call_id: str, *, based_on: int, body: Mapping[str, Any], now: datetime
    ) -> Draft:
        """Keep what was typed. Raises CallNotFound, DraftChanged."""

    async def drop_draft(self, viewer: Principal, call_id: str) -> None:
        """Throw one's own draft away. Raises CallNotFound."""

    async def file(self, viewer: Principal, call_id: str, content: Content, entry: Entry) -> Registration:
        """File a call; what is missing in it refuses it whole.

        Raises CallNotFound, RegistrationIncomplete, AlreadyFiled.
        """

    async def correct(
        self, viewer: Principal, call_id: str, content: Content, *, based_on: int, why: str, entry: Entry
    ) -> Registration:
        """Raises CallNotFound, RegistrationNotFound, RegistrationIncomplete, RegistrationChanged."""

    async def get(self, viewer: Principal, call_id: str) -> Registration:
        """Raises CallNotFound, RegistrationNotFound."""

    async def unfiled(
        self, viewer: Principal, *, mine: bool, cursor: str | None, limit: int, now: datetime | None = None
    ) -> UnfiledPage:
        """Calls to file, the oldest first; an agent's own whatever is asked. Raises BadCursor.

        Names of records that are closed to the viewer at `now` are masked; without it no approval is good.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionView:
    """One version of a form, disposition set or script."""

    kind: Kind
    name: str
    version: int
    label: Mapping[str, str]
    body: Mapping[str, Any]
    retired: bool
    at: datetime
    by_name: str
    why: str


class Definitions(Protocol):
    """Forms, disposition sets and scripts, every version of them."""

    async def list(self, kind: Kind) -> Sequence[DefinitionView]: ...

    async def get(self, kind: Kind, name: str, version: int | None) -> DefinitionView:
        """Raises DefinitionNotFound."""

    async def history(self, kind: Kind, name: str) -> Sequence[DefinitionView]: ...

    async def save(
        self,
        kind: Kind,
        name: str,
        body: Mapping[str, Any],
        *,
        based_on: int,
        why: str,
        retired: bool,
        entry: Entry,
    ) -> DefinitionView:
        """The next version. Raises BadDefinition with every place, DefinitionChanged.

        Scripts are saved by `ScriptVersions`: ScriptStep.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenStep:
    """One thing to say, filled in."""

    kind: str
    parts: Sequence[ScriptPart]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """A script with a call's data in it."""

    name: str
    version: int
    label: Mapping[str, str]
    language: str
    steps: Sequence[SpokenStep]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptView:
    """One version of a script as its page shows it."""

    row: ScriptVersion
    #: Where it cannot be said; empty: it may be submitted.
    faults: Sequence[ScriptFault] = ()
    #: Steps this viewer can take now.
    possible: Sequence[VersionStep] = ()
    #: The viewer wrote or submitted it: somebody else approves.
    own: bool = False


class ScriptVersions(Protocol):
    """Scripts as they are written and approved. Errors are those of `crm.scripts.states`."""

    async def list(self, viewer: Principal) -> Sequence[ScriptView]:
        """Of each script the version in force and the newest one."""

    async def versions(self, viewer: Principal, name: str) -> Sequence[ScriptView]:
        """Every version with its history, the newest first. Raises ScriptNotFound."""

    async def begin_draft(
        self,
        viewer: Principal,
        name: str,
        entry: Entry,
        *,
        body: Mapping[str, Any] | None = None,
        from_version: int | None = None,
    ) -> ScriptView:
        """The next version as a draft, or the one in work already; with `body` a script that is new.

        Raises ScriptNotFound, BadScript.
        """

    async def save_draft(
        self, viewer: Principal, name: str, version: int, body: Mapping[str, Any], revision: int, entry: Entry
    ) -> ScriptView:
        """Raises ScriptNotFound, ScriptStep, ScriptChanged, BadScript where the shape is none."""

    async def step(
        self,
        viewer: Principal,
        name: str,
        version: int,
        step: VersionStep,
        entry: Entry,
        *,
        revision: int | None = None,
        why: str = "",
    ) -> ScriptView:
        """Raises ScriptNotFound, ScriptStep, ScriptChanged, BadScript."""

    async def compare(self, viewer: Principal, name: str, was: int, now: int) -> Differences:
        """Raises ScriptNotFound."""


class Scripts(Protocol):
    """What to say."""

    async def for_call(
        self, viewer: Principal, call_id: str, *, language: str | None, call_type: str, now: datetime
    ) -> Spoken | None:
        """The script that fits the call; None where none does. Raises CallNotFound."""

    async def for_customer(
        self,
        viewer: Principal,
        customer_id: str,
        *,
        names: Sequence[str],
        call_types: Sequence[str],
        language: str | None,
        now: datetime,
        vehicle_id: str | None = None,
        facts: Mapping[str, object] = NO_FACTS,
    ) -> Spoken | None:
        """What to say to a customer the house calls: the first script of `names` there is, else the one that fits
        the first of `call_types` it fits. None where there is none, or no such customer.

        `vehicle_id` is the vehicle it is about; `facts` are values of other places: words, days, moments, or
        texts of the pages (`Worded`). An empty `customer_id` is a caller nobody knows.
        """

    def preview(
        self, script: DraftScript, *, language: str, agent_name: str, known: bool, now: datetime
    ) -> Spoken:
        """The script as an agent would see it, with a sample customer or with nobody known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArticlePage:
    items: Sequence[Article]
    next: str | None = None


class Knowledge(Protocol):
    """What the house knows. Those who may not write see what is approved and holds today."""

    async def search(
        self, viewer: Principal, text: str, *, language: str | None, today: date, limit: int
    ) -> Sequence[Hit]: ...

    async def list(
        self,
        viewer: Principal,
        *,
        state: ArticleState | None,
        today: date,
        cursor: str | None,
        limit: int,
    ) -> ArticlePage:
        """Raises BadCursor."""

    async def get(self, viewer: Principal, article_id: str, today: date) -> Article:
        """Raises ArticleNotFound."""

    async def write(
        self,
        viewer: Principal,
        article_id: str | None,
        *,
        based_on: int,
        title: str,
        body: str,
        tags: Sequence[str],
        language: Literal["zh-CN", "en"],
        valid_until: date | None,
        entry: Entry,
    ) -> Article:
        """A new article (id None) or another version; a draft. Raises BadArticle, ArticleNotFound, ArticleChanged."""

    async def approve(self, viewer: Principal, article_id: str, *, based_on: int, entry: Entry) -> Article:
        """Raises ArticleNotFound, ArticleChanged."""

    async def retire(self, viewer: Principal, article_id: str, *, based_on: int, entry: Entry) -> Article:
        """Raises ArticleNotFound, ArticleChanged."""


class Sound(Protocol):
    """An open sound file."""

    size: int

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset`; fewer at the end. Raises SoundAway."""

    async def close(self) -> None: ...


class Sounds(Protocol):
    """Recordings and voicemail. Whoever may not hear one gets SoundNotFound, as for one that is not there."""

    async def list(
        self, viewer: Principal, kind: SoundKind, wanted: SoundFilter, *, cursor: str | None, limit: int
    ) -> SoundPage:
        """Raises BadCursor."""

    async def get(self, viewer: Principal, kind: SoundKind, sound_id: str) -> SoundView:
        """Raises SoundNotFound."""

    async def open(
        self, viewer: Principal, kind: SoundKind, sound_id: str, *, download: bool, entry: Entry
    ) -> Sound:
        """The file, once the listening stands in the audit log.

        One listening may be many requests; it is written down once in five minutes. Raises SoundNotFound,
        SoundNotReady, SoundAway.
        """

    async def peaks(self, viewer: Principal, kind: SoundKind, sound_id: str) -> Sequence[int]:
        """Loudness from 0 to 100 in equal parts of the sound. Raises as `open`."""

    async def mark(
        self, viewer: Principal, recording_id: str, *, offset: float, note: str, entry: Entry
    ) -> Mark:
        """Raises SoundNotFound."""

    async def delete(
        self, viewer: Principal, kind: SoundKind, sound_id: str, *, reason: str, entry: Entry
    ) -> None:
        """Row, file and audit entry. Raises SoundNotFound, SoundHeld, SoundNotReady, SoundAway."""

    def may_download(self, viewer: Principal) -> bool:
        """Whether this viewer may save sounds as files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTask:
    """A task made by hand."""

    kind: str
    subject: str
    due_at: datetime | None
    call_id: str | None = None
    customer_id: str | None = None
    department: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFilter:
    """Which tasks a page shows."""

    scope: Literal["today", "mine", "team", "free", "overdue", "closed"] = "today"
    kind: str | None = None
    department: str | None = None
    owner_id: str | None = None


class TaskDesk(Protocol):
    """Tasks beyond claiming and closing."""

    async def create(self, viewer: Principal, new: NewTask, once: Once | None, entry: Entry) -> TaskView:
        """Raises CallNotFound, CustomerNotFound, NoSuchDepartment, UserNotFound; KeyReused."""

    async def assign(self, viewer: Principal, task_id: str, owner_id: str | None, entry: Entry) -> TaskView:
        """Give an open task to somebody, or back to everybody. Raises TaskNotFound, TaskTaken, UserNotFound."""

    async def release(self, viewer: Principal, task_id: str, entry: Entry) -> TaskView:
        """Give one's own task back. Raises TaskNotFound, TaskTaken."""

    async def search(
        self,
        viewer: Principal,
        wanted: TaskFilter,
        *,
        now: datetime,
        zone: str,
        cursor: str | None,
        limit: int,
    ) -> TaskPage:
        """Raises BadCursor."""

    async def counts(self, viewer: Principal, *, now: datetime, zone: str) -> Mapping[str, int]:
        """How many open tasks each scope has."""


@dataclass(frozen=True, kw_only=True)
class Aftercall:
    """The ports of this room together."""

    registrations: Registrations
    definitions: Definitions
    scripts: Scripts
    script_versions: ScriptVersions
    knowledge: Knowledge
    sounds: Sounds
    tasks: TaskDesk
    #: Department to its label per language.
    departments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

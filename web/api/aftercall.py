"""After the call: what is filed about it, and drafts of that."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.sentences import Sentence
from access.users import Language
from crm.dispositions.dispositions import DispositionSet
from crm.registrations.filing import (
    LARGEST_DRAFT,
    Content,
    Draft,
    Registration,
    RegistrationIncomplete,
    clean,
)
from crm.registrations.forms import LONGEST_TEXT, Form
from web.api.shapes import AgentOut, CallOut, Cursor, Line, Size
from web.languages import text
from web.problems import Refused, Wrong
from web.routes import Ask, Nothing, Route, Shape

#: Several lines, cleaned of control characters.
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(clean)]
#: A code of a definition, or nothing.
CodeOrNothing = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,31})?$")]
Value = bool | int | Annotated[str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(clean)]
FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Fields = Annotated[dict[FieldName, Value], Field(max_length=40)]


class ContentShape(Shape):
    """What is filed about a call. The customer's words and the agent's summary are two texts."""

    call_type: CodeOrNothing
    reason: CodeOrNothing = Field("", description="a leaf of the form's tree")
    customer_words: Text = Field("", description="as the customer said it")
    summary: Text = Field("", description="what the agent makes of it")
    disposition: CodeOrNothing = ""
    callback_at: AwareDatetime | None = Field(None, description="where the disposition asks for a call-back")
    next_step: CodeOrNothing = Field("", description="a next step of the form: becomes a task")
    next_note: Line = ""
    next_department: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{0,32}$")] = ""
    next_person: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{0,64}$")] = ""
    fields: Fields = Field(default_factory=dict, description="the form's own fields, code to value")

    def content(self) -> Content:
        """The value of it."""
        return Content(**{name: getattr(self, name) for name in type(self).model_fields if name in _CONTENT})


_CONTENT = frozenset(Content.__dataclass_fields__)


class RegistrationIn(ContentShape):
    """A first filing."""


class CorrectionIn(ContentShape):
    """Another version of what is filed."""

    based_on: int = Field(ge=1, description="the version that was read")
    why: Annotated[Line, StringConstraints(min_length=1)]


class ContentOut(ContentShape):
    callback_at: datetime | None = None


class VersionOut(Shape):
    version: int
    at: datetime
    by: str
    by_name: str
    why: str
    content: ContentOut
    form_version: int
    set_name: str
    set_version: int


class RegistrationOut(Shape):
    id: str
    call_id: str
    agent_id: str | None
    customer_id: str | None
    versions: list[VersionOut] = Field(description="the newest first; none is ever overwritten")
    tasks: list[str] = Field(description="tasks the filing made")


class FiledOut(Shape):
    registration: RegistrationOut
    agent: AgentOut | None = Field(description="the agent, where the filing ended the wrap-up")


class DraftBody(Shape):
    """What was typed so far; nothing has to be complete."""

    call_type: Annotated[str, StringConstraints(max_length=64)] = ""
    reason: Annotated[str, StringConstraints(max_length=64)] = ""
    customer_words: Annotated[str, StringConstraints(max_length=LARGEST_DRAFT)] = ""
    summary: Annotated[str, StringConstraints(max_length=LARGEST_DRAFT)] = ""
    disposition: Annotated[str, StringConstraints(max_length=64)] = ""
    callback_at: Annotated[str, StringConstraints(max_length=64)] = ""
    next_step: Annotated[str, StringConstraints(max_length=64)] = ""
    next_note: Annotated[str, StringConstraints(max_length=1000)] = ""
    next_department: Annotated[str, StringConstraints(max_length=64)] = ""
    next_person: Annotated[str, StringConstraints(max_length=64)] = ""
    fields: Annotated[
        dict[FieldName, bool | int | Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]],
        Field(max_length=60),
    ] = Field(default_factory=dict)


class DraftIn(Shape):
    based_on: int = Field(0, ge=0, description="the revision the page knows; 0: none")
    body: DraftBody


class DraftOut(Shape):
    call_id: str
    revision: int
    saved_at: datetime
    body: dict[str, Any]


class OthersDraftOut(Shape):
    name: str
    saved_at: datetime
    body: dict[str, Any]


class PanelOut(Shape):
    """Everything a page needs to file one call."""

    call: CallOut
    forms: list[Form]
    sets: dict[str, DispositionSet]
    suggested: str
    draft: DraftOut | None
    others: list[OthersDraftOut] = Field(description="what colleagues typed before the call came here")
    registration: RegistrationOut | None
    may_file: bool
    may_correct: bool
    departments: dict[str, dict[str, str]]
    people: dict[str, str]


class UnfiledQuery(Shape):
    scope: Literal["mine", "all"] = "mine"
    cursor: Cursor | None = None
    limit: Size = 50


class UnfiledOut(Shape):
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


class UnfiledListOut(Shape):
    items: list[UnfiledOut]
    next: str | None


def registration_out(registration: Registration) -> RegistrationOut:
    """As the API shows it."""
    return RegistrationOut(
        id=registration.id,
        call_id=registration.call_id,
        agent_id=registration.agent_id,
        customer_id=registration.customer_id,
        versions=[VersionOut.model_validate(version) for version in registration.versions],
        tasks=list(registration.tasks),
    )


def _draft_out(draft: Draft) -> DraftOut:
    return DraftOut(
        call_id=draft.call_id, revision=draft.revision, saved_at=draft.saved_at, body=dict(draft.body)
    )


def _own(ask: Ask[Any, Any]) -> str:
    if ask.by.user_id is None:
        raise Refused("no-own-user", "This token belongs to no user, so it cannot file calls.")
    return ask.by.user_id


def _fault_words(language: Language, *, code: str, least: int | None) -> str:
    return text(language, f"aftercall.fault.{code}", least="" if least is None else least)


def incomplete(error: RegistrationIncomplete) -> Refused:
    """The refusal with every field in it."""
    return Refused(
        error.error_id,
        str(error),
        errors=[
            Wrong(
                field=fault.field,
                say=partial(_fault_words, code=fault.code, least=fault.least),
                code=fault.code,
            )
            for fault in error.faults
        ],
    )


async def show_panel(ask: Ask[Nothing, Nothing]) -> PanelOut:
    """What there is to file about a call."""
    panel = await ask.services.aftercall.registrations.panel(ask.by, ask.path["call_id"], ask.now)
    return PanelOut(
        call=CallOut.model_validate(panel.call),
        forms=list(panel.forms),
        sets=dict(panel.sets),
        suggested=panel.suggested,
        draft=_draft_out(panel.draft) if panel.draft else None,
        others=[
            OthersDraftOut(name=one.name, saved_at=one.saved_at, body=dict(one.body)) for one in panel.others
        ],
        registration=registration_out(panel.registration) if panel.registration else None,
        may_file=panel.may_file,
        may_correct=panel.may_correct,
        departments={name: dict(label) for name, label in panel.departments.items()},
        people=dict(panel.people),
    )


async def save_draft(ask: Ask[Nothing, DraftIn]) -> DraftOut:
    """Keep what was typed."""
    _own(ask)
    body = ask.body.body.model_dump()
    if sum(len(str(value)) for value in body.values()) > LARGEST_DRAFT:
        raise Refused(
            "draft-too-large",
            Sentence("A draft may have {most} characters. It was not saved.", most=LARGEST_DRAFT),
        )
    draft = await ask.services.aftercall.registrations.save_draft(
        ask.by, ask.path["call_id"], based_on=ask.body.based_on, body=body, now=ask.now
    )
    return _draft_out(draft)


async def drop_draft(ask: Ask[Nothing, Nothing]) -> Nothing:
    """Throw the draft away."""
    _own(ask)
    await ask.services.aftercall.registrations.drop_draft(ask.by, ask.path["call_id"])
    return Nothing()


async def get_registration(ask: Ask[Nothing, Nothing]) -> RegistrationOut:
    """What is filed, with every version."""
    found = await ask.services.aftercall.registrations.get(ask.by, ask.path["call_id"])
    return registration_out(found)


async def file_call(ask: Ask[Nothing, RegistrationIn]) -> FiledOut:
    """File a call; ends the wrap-up after it."""
    user_id, call_id = _own(ask), ask.path["call_id"]
    content = ask.body.content()
    entry = ask.entry(Action.CALL_FILED, f"call:{call_id}", {"disposition": content.disposition})
    try:
        registration = await ask.services.aftercall.registrations.file(ask.by, call_id, content, entry)
    except RegistrationIncomplete as error:
        raise incomplete(error) from error
    agent = await ask.services.desk.filed(user_id, call_id, ask.by)
    return FiledOut(
        registration=registration_out(registration),
        agent=AgentOut.model_validate(agent) if agent is not None else None,
    )


async def correct_registration(ask: Ask[Nothing, CorrectionIn]) -> RegistrationOut:
    """File another version; the earlier ones stay."""
    _own(ask)
    call_id = ask.path["call_id"]
    entry = ask.entry(Action.REGISTRATION_CORRECTED, f"call:{call_id}", {"version": ask.body.based_on + 1})
    try:
        registration = await ask.services.aftercall.registrations.correct(
            ask.by,
            call_id,
            ask.body.content(),
            based_on=ask.body.based_on,
            why=ask.body.why,
            entry=entry,
        )
    except RegistrationIncomplete as error:
        raise incomplete(error) from error
    return registration_out(registration)


async def list_unfiled(ask: Ask[UnfiledQuery, Nothing]) -> UnfiledListOut:
    """Calls somebody talked in and nobody has filed, the oldest first."""
    page = await ask.services.aftercall.registrations.unfiled(
        ask.by,
        mine=ask.query.scope == "mine",
        cursor=ask.query.cursor,
        limit=ask.query.limit,
        now=ask.now,
    )
    return UnfiledListOut(items=[UnfiledOut.model_validate(one) for one in page.items], next=page.next)


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/calls/{call_id}/panel",
        summary="What there is to file about a call",
        needs=Permission.REGISTRATIONS_FILE,
        json=show_panel,
        answer=PanelOut,
        errors=("call-not-found",),
        tag="after the call",
    ),
    Route(
        method="POST",
        path="/api/v1/calls/{call_id}/draft",
        summary="Keep what was typed about a call",
        needs=Permission.REGISTRATIONS_FILE,
        json=save_draft,
        body=DraftIn,
        answer=DraftOut,
        errors=("call-not-found", "draft-changed", "draft-too-large", "no-own-user"),
        tag="after the call",
    ),
    Route(
        method="DELETE",
        path="/api/v1/calls/{call_id}/draft",
        summary="Throw a draft away",
        needs=Permission.REGISTRATIONS_FILE,
        json=drop_draft,
        answer=Nothing,
        errors=("call-not-found", "no-own-user"),
        tag="after the call",
    ),
    Route(
        method="GET",
        path="/api/v1/calls/{call_id}/registration",
        summary="What is filed about a call, with its history",
        needs=Permission.REGISTRATIONS_FILE,
        json=get_registration,
        answer=RegistrationOut,
        errors=("call-not-found", "registration-not-found"),
        tag="after the call",
    ),
    Route(
        method="POST",
        path="/api/v1/calls/{call_id}/registration",
        summary="File a call",
        needs=Permission.REGISTRATIONS_FILE,
        json=file_call,
        body=RegistrationIn,
        answer=FiledOut,
        errors=("call-not-found", "registration-incomplete", "registration-filed", "no-own-user"),
        tag="after the call",
    ),
    Route(
        method="POST",
        path="/api/v1/calls/{call_id}/registration/corrections",
        summary="Correct what is filed about a call",
        needs=Permission.REGISTRATIONS_FILE,
        json=correct_registration,
        body=CorrectionIn,
        answer=RegistrationOut,
        errors=(
            "call-not-found",
            "registration-not-found",
            "registration-incomplete",
            "registration-changed",
            "no-own-user",
        ),
        tag="after the call",
    ),
    Route(
        method="GET",
        path="/api/v1/unfiled",
        summary="Calls that are to be filed",
        needs=Permission.REGISTRATIONS_FILE,
        json=list_unfiled,
        query=UnfiledQuery,
        answer=UnfiledListOut,
        errors=("bad-cursor",),
        tag="after the call",
    ),
)

"""`web.ports.cases.Cases` over the database: who may take which step, what each may read, links of departments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from access.audit import Action, Entry
from access.ids import new_id
from access.masking import mask_name, mask_number, mask_text
from access.permissions import Permission, Role
from access.requests import Answer, Once
from access.users import LANGUAGES, Principal
from crm.cases.applying import Actor, lowers
from crm.cases.cases import (
    LONGEST_NAME,
    Case,
    CaseEvent,
    CaseNotFound,
    NewCase,
    StepForbidden,
    check_text,
)
from crm.cases.rules import Rules
from crm.cases.steps import OF_DEPARTMENT, OF_LINK, Given, Step, allowed, needs
from crm.links.links import Link, LinkError, LinkKind
from crm.records.customers import CustomerNotFound, RecordClosed, Secrecy
from crm.scripts.honorifics import address
from storage import (
    audit,
    case_links,
    case_lists,
    cases,
    customers,
    idempotency,
    links,
    merging,
    users,
)
from storage.database import Database
from storage.person import open_customer
from storage.sight import Sight, sight, sights
from telephony.call_lists import BadCursor
from telephony.hours import WorkingTime
from web.ports.cases import (
    CaseChoices,
    CaseFilter,
    CaseLine,
    CasePage,
    CaseView,
    LinkCase,
    LinkMade,
    Stepped,
)

T = TypeVar("T")

#: Tells the pages of a user that a case of his has moved: (user id, case, step).
Tell = Callable[[str, Case, str], None]
#: What people wrote about the customer, or in his words.
_TEXTS: Final = (
    *("subject", "words", "summary", "happened", "place", "symptom", "wants", "cause", "plan"),
    *("corrective_action", "effect_words", "exception_reason", "closing_words", "departmental_person"),
)
#: All that is left out where the record is closed to the viewer.
_HIDDEN: Final = (*_TEXTS, "caller_name", "consultant", "advisor", "technician", "corrective_owner")


class CaseBook:
    """Cases."""

    def __init__(
        self,
        database: Database,
        hours: WorkingTime,
        rules: Rules,
        *,
        tell: Tell = lambda _user, _case, _step: None,
    ) -> None:
        self._database = database
        self._hours = hours
        self._rules = rules
        self._tell = tell

    async def list(
        self,
        viewer: Principal,
        wanted: CaseFilter,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> CasePage:
        after = _read_cursor(cursor)

        def work(connection: Connection) -> CasePage:
            department = wanted.department
            own = None
            if viewer.role is Role.DEPARTMENT:
                own = department = case_links.department_of(connection, viewer.user_id)
                if department is None:
                    return CasePage(items=[], counts={})
            if wanted.mine and viewer.user_id is None:
                return CasePage(items=[], counts=case_lists.counts(connection, viewer, now, own))
            found = case_lists.search(
                connection,
                viewer,
                case_lists.Wanted(
                    which=wanted.which,
                    state=wanted.state,
                    kind=wanted.kind,
                    grade=wanted.grade,
                    source=wanted.source,
                    department=department,
                    handler_id=viewer.user_id if wanted.mine else wanted.handler_id,
                    free=wanted.free,
                    customer_id=wanted.customer_id,
                    vehicle_id=wanted.vehicle_id,
                    text=wanted.text,
                    since=self._begin(wanted.opened_from),
                    until=self._begin(wanted.opened_to and wanted.opened_to + timedelta(days=1)),
                ),
                now,
                after=after,
                limit=limit + 1,
            )
            kept = found[:limit]
            following = None
            if len(found) > limit:
                moment = getattr(kept[-1], case_lists.sorted_by(wanted.which).key)
                following = f"{moment.isoformat()}~{kept[-1].id}"
            return CasePage(
                items=lines(connection, viewer, kept, now),
                counts=case_lists.counts(connection, viewer, now, own),
                next=following,
            )

        return await self._database.read(work)

    async def get(self, viewer: Principal, case_id: str, now: datetime) -> CaseView:
        def work(connection: Connection) -> CaseView:
            return _view(connection, viewer, _reachable(connection, viewer, case_id, now), now)

        return await self._database.read(work)

    async def create(
        self, viewer: Principal, new: NewCase, entry: Entry, *, once: Once | None = None
    ) -> CaseView:
        now = entry.at

        def work(connection: Connection) -> CaseView:
            asked = new
            if not asked.occasion:
                asked = replace(asked, occasion=f"made {entry.id}")
            if once is not None:
                answer = Answer(status=201, body={"made": entry.id}, at=now)
                kept = idempotency.answer_once(connection, once, answer)
                asked = replace(asked, occasion=f"made {kept.body['made']}")
            if asked.customer_id is not None:
                whose = merging.current_id(connection, asked.customer_id)
                # Whoever complains is heard, also where his record is closed to who hears him.
                if sight(connection, viewer, whose, now) is Sight.NONE:
                    raise CustomerNotFound("There is no such customer.")
            if asked.handler_id not in (None, viewer.user_id) and not viewer.may(Permission.CASES_ASSIGN):
                raise StepForbidden(
                    "Putting somebody else in charge needs the right to assign cases. Nothing was changed."
                )
            case, fresh = cases.open_case(connection, asked, by=viewer, now=now, hours=self._hours)
            if fresh:
                audit.append(connection, replace(entry, subject=f"case:{case.id}"))
            return _view(connection, viewer, case, now)

        return await self._database.write(work)

    async def step(
        self,
        viewer: Principal,
        case_id: str,
        step: Step,
        given: Given,
        entry: Entry,
        *,
        version: int | None = None,
        with_link: bool = False,
    ) -> Stepped:
        now = entry.at

        def work(connection: Connection) -> tuple[Stepped, Case]:
            before = _reachable(connection, viewer, case_id, now)
            _require_right(viewer, before, step, given)
            if before.customer_id is not None and viewer.role is not Role.DEPARTMENT:
                _require_open(connection, viewer, before, now)
            if customer_id := given.fields.get("customer_id"):
                open_customer(connection, viewer, merging.current_id(connection, customer_id), now=now)
            actor = cases.actor_of(viewer)
            if step is Step.ASSIGN and given.handler_id is None and before.handler_id is None:
                given_ = replace(given, handler_id=viewer.user_id)
            else:
                given_ = given
            made: LinkMade | None = None
            if step is Step.LINK:
                after, made = self._link(connection, before, actor, now)
            else:
                after = cases.take_step(
                    connection,
                    case_id,
                    step,
                    given_,
                    actor=actor,
                    now=now,
                    hours=self._hours,
                    version=version,
                )
                if with_link and after.department is not None and Step.LINK in allowed(after):
                    after, made = self._link(connection, after, actor, now)
            audit.append(connection, entry)
            return Stepped(view=_view(connection, viewer, after, now), link=made), after

        stepped, after = await self._database.write(work)
        if after.handler_id and after.handler_id != viewer.user_id:
            self._tell(after.handler_id, after, step.value)
        return stepped

    def _link(self, connection: Connection, case: Case, actor: Actor, now: datetime) -> tuple[Case, LinkMade]:
        after, link, secret, pin = case_links.make(connection, case, actor=actor, now=now, hours=self._hours)
        return after, LinkMade(link=link, path=f"/l/case/{secret}", secret=secret, pin=pin)

    async def of_customer(self, viewer: Principal, customer_id: str, now: datetime) -> Sequence[CaseLine]:
        def work(connection: Connection) -> Sequence[CaseLine]:
            whose = merging.current_id(connection, customer_id)
            found = cases.open_cases_of(connection, [whose]).get(whose, [])
            return lines(connection, viewer, found, now)

        return await self._database.read(work)

    async def choices(self) -> CaseChoices:
        handlers = await self._database.read(cases.handlers)
        return CaseChoices(departments=self._rules.departments, handlers=handlers)

    def _begin(self, day: date | None) -> datetime | None:
        if day is None:
            return None
        return datetime.combine(day, time(), self._hours.zone).astimezone(UTC)

    # -- a department without an account

    async def open_link(self, secret: str, now: datetime) -> Link:
        return await self._database.write(
            lambda connection: links.open_link(connection, LinkKind.CASE, secret, now)
        )

    async def link_case(self, secret: str, pin: str, now: datetime) -> LinkCase:
        def work(connection: Connection) -> LinkCase | LinkError:
            link = links.open_link(connection, LinkKind.CASE, secret, now)
            if (wrong := links.check_pin(connection, link, pin)) is not None:
                return wrong  # raised below: the count of wrong tries must be committed first
            case = cases.get_case(connection, link.subject)
            audit.append(connection, _by_link(Action.VIEWED, link, case, now))
            return _link_case(connection, link, case)

        return _or_raised(await self._database.write(work))

    async def link_step(
        self,
        secret: str,
        pin: str,
        step: Step,
        given: Given,
        *,
        name: str,
        version: int | None,
        now: datetime,
        address: str = "",
    ) -> LinkCase:
        typed = check_text(name, "name", longest=LONGEST_NAME, needed=True)
        if step not in OF_LINK:
            raise StepForbidden("A private link does not allow this step. Nothing was changed.")

        def work(connection: Connection) -> tuple[LinkCase, Case] | LinkError:
            link = links.open_link(connection, LinkKind.CASE, secret, now)
            if (wrong := links.check_pin(connection, link, pin)) is not None:
                return wrong
            after = cases.take_step(
                connection,
                link.subject,
                step,
                replace(given, department=None, handler_id=None, fields={}),
                actor=case_links.actor_of(link, typed),
                now=now,
                hours=self._hours,
                version=version,
            )
            line = _by_link(Action.CASE_STEPPED, link, after, now, name=typed, address=address)
            audit.append(connection, replace(line, data={"step": step.value, "link": link.id}))
            return _link_case(connection, link, after), after

        shown, after = _or_raised(await self._database.write(work))
        if after.handler_id:
            self._tell(after.handler_id, after, step.value)
        return shown


def _or_raised(found: T | LinkError) -> T:
    if isinstance(found, LinkError):
        raise found
    return found


def _by_link(
    action: Action, link: Link, case: Case, now: datetime, *, name: str = "", address: str = ""
) -> Entry:
    return Entry(
        id=new_id(now),
        at=now,
        action=action,
        actor_name=name or link.audience[:64],
        via="link",
        subject=f"case:{case.id}",
        address=address,
        data={"link": link.id},
    )


# -- who may what -------------------------------------------------------------------------------------


def _reachable(connection: Connection, viewer: Principal, case_id: str, now: datetime) -> Case:
    """The case where it is there for this person. Raises CaseNotFound."""
    case = cases.get_case(connection, case_id)
    if viewer.role is Role.DEPARTMENT:
        own = case_links.department_of(connection, viewer.user_id)
        if own is None or own != case.department:
            raise CaseNotFound("There is no such case.")
    elif _sight(connection, viewer, case, now) is Sight.NONE:
        raise CaseNotFound("There is no such case.")
    return case


def _sight(connection: Connection, viewer: Principal, case: Case, now: datetime) -> Sight:
    """What this person may see of a case: as of its customer; who is in charge of it is in scope."""
    return _sights(connection, viewer, [case], now)[case.id]


def _sights(
    connection: Connection, viewer: Principal, found: Sequence[Case], now: datetime
) -> dict[str, Sight]:
    seen = sights(connection, viewer, [one.customer_id for one in found if one.customer_id], now)
    result = {}
    for one in found:
        own = viewer.user_id is not None and one.handler_id == viewer.user_id
        result[one.id] = Sight.OPEN if one.customer_id is None else seen.get(one.customer_id, Sight.NONE)
        if result[one.id] is Sight.NONE and own:
            person = customers.several(connection, [one.customer_id or ""]).get(one.customer_id or "")
            closed = person is not None and person.secrecy is Secrecy.RESTRICTED
            result[one.id] = Sight.CLOSED if closed else Sight.OPEN
    return result


def _require_open(connection: Connection, viewer: Principal, case: Case, now: datetime) -> None:
    if _sight(connection, viewer, case, now) is not Sight.OPEN:
        raise RecordClosed("This record is restricted. Ask for an approval to open it.")


def may_take(viewer: Principal, step: Step) -> bool:
    """Whether this person's role takes such steps at all."""
    if viewer.role is Role.DEPARTMENT:
        return step in OF_DEPARTMENT and viewer.may(Permission.CASES_ANSWER)
    return viewer.may(needs(step))


def _require_right(viewer: Principal, case: Case, step: Step, given: Given) -> None:
    """Raises StepForbidden."""
    if not may_take(viewer, step):
        raise StepForbidden("Your role does not take this step. Nothing was changed.")
    if viewer.role is Role.DEPARTMENT or viewer.may(Permission.CASES_ASSIGN):
        return
    if step is Step.CLASSIFY and lowers(case, given):
        raise StepForbidden("Lowering a grade needs the right to assign cases. Nothing was changed.")
    another = given.handler_id not in (None, case.handler_id)
    free = case.handler_id in (None, viewer.user_id)
    if step is Step.ASSIGN and another and not (free and given.handler_id == viewer.user_id):
        raise StepForbidden(
            "Putting somebody else in charge needs the right to assign cases. Nothing was changed."
        )


# -- what each may read -------------------------------------------------------------------------------


def _view(connection: Connection, viewer: Principal, case: Case, now: datetime) -> CaseView:
    line = lines(connection, viewer, [case], now)[0]
    closed = line.closed_to_viewer
    theirs = viewer.role is Role.DEPARTMENT
    events = cases.events_of(connection, case.id)
    if theirs:  # notes are for those who wrote them: customer relations, or the person himself
        events = [one for one in events if one.step != Step.NOTE or one.by_id == viewer.user_id]
    possible = [] if closed else [step for step in allowed(case) if may_take(viewer, step)]
    others = [] if closed or theirs else cases.of_customer_or_vehicle(connection, case)
    there = _sights(connection, viewer, others, now)
    others = [one for one in others if there[one.id] is not Sight.NONE]
    return CaseView(
        line=line,
        events=[_event(one, viewer, closed=closed) for one in events],
        allowed=possible,
        others=lines(connection, viewer, others, now),
        links=[] if theirs or closed else links.links_of(connection, LinkKind.CASE, case.id),
        suggested_grade=case.suggested_grade,
        exception_possible=Step.EXCEPTION in possible and viewer.user_id not in (None, case.handler_id),
    )


def _link_case(connection: Connection, link: Link, case: Case) -> LinkCase:
    """What a department's person reads behind a link: names and words, no number; a restricted name is masked."""
    line = _line(
        case,
        person_name="",
        vehicle=case_lists.vehicle_names(connection, [case.vehicle_id] if case.vehicle_id else []).get(
            case.vehicle_id or "", ("", "")
        ),
        handler_name="",
        numbers=False,
        names=True,
        closed=False,
    )
    handler = users.user_names(connection).get(case.handler_id or "", "") if case.handler_id else ""
    return LinkCase(
        link=link,
        line=replace(line, handler_name=handler),
        events=[
            _masked_event(one, numbers=False)
            for one in cases.events_of(connection, case.id)
            if one.step != Step.NOTE
        ],
        allowed=[step for step in allowed(case) if step in OF_LINK],
        addressed=_addressed(connection, case),
    )


def _addressed(connection: Connection, case: Case) -> dict[str, str]:
    """How the customer is addressed, per language; of a restricted record as of a masked name."""
    person = None
    if case.customer_id is not None:
        person = customers.several(connection, [case.customer_id]).get(case.customer_id)
    if person is None:
        return {}
    name = mask_name(person.name) if person.secrecy is Secrecy.RESTRICTED else person.name
    return {language: address(name, person.honorific, person.kind, language) or "" for language in LANGUAGES}


def lines(connection: Connection, viewer: Principal, found: Iterable[Case], now: datetime) -> list[CaseLine]:
    """Cases as this viewer may see them. A department reads what it must answer, and no number."""
    every = list(found)
    people = customers.several(connection, [one.customer_id for one in every if one.customer_id])
    vehicles = case_lists.vehicle_names(connection, [one.vehicle_id for one in every if one.vehicle_id])
    names = users.user_names(connection) if any(one.handler_id for one in every) else {}
    seen = _sights(connection, viewer, every, now)
    theirs = viewer.role is Role.DEPARTMENT
    result = []
    for one in every:
        person = people.get(one.customer_id or "")
        closed = not theirs and seen[one.id] is not Sight.OPEN
        name = "" if person is None else person.name
        restricted = person is not None and person.secrecy is Secrecy.RESTRICTED
        if closed or not viewer.sees_names or (theirs and restricted):
            name = mask_name(name)
        line = _line(
            one,
            person_name=name,
            vehicle=vehicles.get(one.vehicle_id or "", ("", "")),
            handler_name=names.get(one.handler_id or "", ""),
            numbers=viewer.sees_numbers,
            names=viewer.sees_names,
            closed=closed,
        )
        result.append(replace(line, overdue=one.is_overdue(now)))
    return result


def _line(
    case: Case,
    *,
    person_name: str,
    vehicle: tuple[str, str],
    handler_name: str,
    numbers: bool,
    names: bool,
    closed: bool,
) -> CaseLine:
    changes: dict[str, Any] = {}
    if closed:
        changes = dict.fromkeys(_HIDDEN, "") | {"phone": None, "call_id": None, "mileage": None}
    else:
        if not numbers:
            changes = {name: mask_text(getattr(case, name)) for name in _TEXTS}
            changes["phone"] = case.phone and mask_number(case.phone)
        if not names:
            changes |= dict.fromkeys(_HIDDEN, "")
    return CaseLine(
        case=replace(case, **changes) if changes else case,
        customer_name=person_name,
        plate="" if closed else vehicle[0],
        model="" if closed else vehicle[1],
        handler_name=handler_name,
        closed_to_viewer=closed,
    )


def _event(event: CaseEvent, viewer: Principal, *, closed: bool) -> CaseEvent:
    if closed or not viewer.sees_names:
        return replace(event, words="", data={})
    return _masked_event(event, numbers=viewer.sees_numbers)


def _masked_event(event: CaseEvent, *, numbers: bool) -> CaseEvent:
    if numbers:
        return event
    return replace(event, words=mask_text(event.words), data=_masked(event.data))


#: Data of events that are no text of a person: days, moments, ids and words of our own.
_OURS: Final = frozenset(
    {
        *("kind", "grade", "source", "department", "handler_id", "responsibility", "carry_out_on", "ending"),
        *("corrective_on", "effect_on", "effect", "reached", "call_id", "level", "why", "told", "due_what"),
        *("due_at", "promised_at", "occurred_at", "repeat_of", "duplicate_of", "try", "urges", "customer_id"),
        *("vehicle_id", "mileage"),
    }
)


def _masked(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if name in _OURS else _masked_value(value) for name, value in data.items()}


def _masked_value(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    return [_masked_value(one) for one in value] if isinstance(value, list) else value


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, case_id = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(case_id) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, case_id

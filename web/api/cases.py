"""Cases: register, hand over, answer, tell, visit again, close; each step has its own address."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from access.audit import Action
from access.permissions import Permission
from crm.cases.cases import BadCase, Case, NewCase, Reached
from crm.cases.steps import Given, Step
from web.api.case_shapes import (
    AnalyseIn,
    AssignIn,
    CaseChoicesOut,
    CaseDetailOut,
    CaseEventOut,
    CaseLinkOut,
    CaseOut,
    CasesOut,
    CasesQuery,
    ChangeIn,
    ClassifyIn,
    EffectIn,
    LinkMadeOut,
    NewCaseIn,
    OtherCaseOut,
    ReplyIn,
    SecondVisitIn,
    StepIn,
    SteppedOut,
    TellPlanIn,
    TieIn,
    WordsIn,
)
from web.ports import Services
from web.ports.cases import CaseFilter, CaseLine, CaseView, Stepped
from web.routes import Ask, Nothing, Route

_LEFT_OUT: Final = ("occasion", "events", "round_at", "opened_by", "exception_by")


def case_out(line: CaseLine) -> CaseOut:
    """A case."""
    case = line.case
    plain = {name: getattr(case, name) for name in Case.__slots__ if name not in _LEFT_OUT}
    return CaseOut.model_validate(
        {
            **plain,
            "suggested_grade": case.suggested_grade,
            "customer_name": line.customer_name,
            "plate": line.plate,
            "model": line.model,
            "handler_name": line.handler_name,
            "overdue": line.overdue,
            "hidden": line.closed_to_viewer,
        }
    )


def _detail(view: CaseView) -> dict[str, Any]:
    return {
        "case": case_out(view.line),
        "events": [
            CaseEventOut.model_validate(
                {name: getattr(one, name) for name in CaseEventOut.model_fields if name != "data"}
                | {"data": dict(one.data)}
            )
            for one in view.events
        ],
        "allowed_steps": list(view.allowed),
        "others": [OtherCaseOut.model_validate(one.case) for one in view.others],
        "links": [CaseLinkOut.model_validate(one) for one in view.links],
    }


def detail_out(view: CaseView) -> CaseDetailOut:
    """A case with its trail."""
    return CaseDetailOut(**_detail(view))


def stepped_out(done: Stepped) -> SteppedOut:
    """A case after a step."""
    made = done.link
    link = made and LinkMadeOut(path=made.path, pin=made.pin, expires_at=made.link.expires_at)
    return SteppedOut(**_detail(done.view), link=link)


async def list_cases(ask: Ask[CasesQuery, Nothing]) -> CasesOut:
    """Cases the asker may see; open ones the first due first."""
    wanted = ask.query
    page = await ask.services.cases.list(
        ask.by,
        CaseFilter(
            which=wanted.which,
            state=wanted.state,
            kind=wanted.kind,
            grade=wanted.grade,
            source=wanted.source,
            department=wanted.department,
            handler_id=wanted.handler_id,
            mine=wanted.mine,
            free=wanted.free,
            customer_id=wanted.customer_id,
            vehicle_id=wanted.vehicle_id,
            text=wanted.search,
            opened_from=wanted.opened_from,
            opened_to=wanted.opened_to,
        ),
        ask.now,
        cursor=wanted.cursor,
        limit=wanted.limit,
    )
    return CasesOut(items=[case_out(one) for one in page.items], counts=dict(page.counts), next=page.next)


async def get(ask: Ask[Nothing, Nothing]) -> CaseDetailOut:
    """One case with its trail and what can be done now."""
    return detail_out(await ask.services.cases.get(ask.by, ask.path["case_id"], ask.now))


def read_phone(services: Services, written: str | None) -> str | None:
    """A contact number as E.164. Raises BadCase."""
    if not written:
        return None
    number = services.read_number(written)
    if number is None:
        raise BadCase("This is no telephone number. Nothing was changed.", field="phone")
    return number


async def create(ask: Ask[Nothing, NewCaseIn]) -> CaseDetailOut:
    """Register a case."""
    given = ask.body.model_dump()
    given["number"] = read_phone(ask.services, given.pop("phone"))
    made = await ask.services.cases.create(
        ask.by,
        NewCase(**given),
        ask.entry(Action.CASE_OPENED, data={"kind": ask.body.kind.value, "grade": ask.body.grade.value}),
        once=ask.once,
    )
    return detail_out(made)


def _given(ask: Ask[Nothing, Any], step: Step) -> Given:
    body = ask.body.model_dump(exclude={"version", "with_link"})
    if step is Step.CHANGE:
        named = ask.body.model_fields_set - {"version", "words"}
        fields = {name: body[name] for name in named}
        if "words_of_customer" in fields:
            fields["words"] = fields.pop("words_of_customer")
        if "phone" in fields:
            fields["phone"] = read_phone(ask.services, fields["phone"])
        empty = ("customer_id", "vehicle_id", "mileage", "phone", "promised_at")
        fields = {name: value for name, value in fields.items() if value is not None or name in empty}
        return Given(words=ask.body.words, fields=fields)
    if "reached" in body:
        body["reached"] = Reached(body["reached"])
    return Given(**body)


def _stepping(step: Step) -> Any:
    async def take(ask: Ask[Nothing, Any]) -> SteppedOut:
        case_id = ask.path["case_id"]
        entry = ask.entry(Action.CASE_STEPPED, f"case:{case_id}", {"step": step.value})
        done = await ask.services.cases.step(
            ask.by,
            case_id,
            step,
            _given(ask, step),
            entry,
            version=ask.body.version,
            with_link=getattr(ask.body, "with_link", step is Step.LINK),
        )
        return stepped_out(done)

    take.__doc__ = f"Take the step {step.value}."
    return take


async def choices(ask: Ask[Nothing, Nothing]) -> CaseChoicesOut:
    """Departments, and who can be in charge."""
    return CaseChoicesOut(**asdict(await ask.services.cases.choices()))


_ONE = "/api/v1/cases/{case_id}"
_ERRORS = (
    "case-not-found",
    "case-step-not-allowed",
    "case-step-forbidden",
    "case-changed",
    "bad-case",
    "record-closed",
)


def _route(step: Step, summary: str, body: type[StepIn], needs: Permission, *more: str) -> Route:
    return Route(
        method="POST",
        path=f"{_ONE}/{step.value.replace('_', '-')}",
        summary=summary,
        needs=needs,
        json=_stepping(step),
        body=body,
        answer=SteppedOut,
        errors=(*_ERRORS, *more),
        tag="cases",
    )


#: Departments and customer relations alike; which of them may take which, the book asks.
_BOTH: Final = Permission.CASES_READ
_WORK: Final = Permission.CASES_WORK

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/cases",
        summary="Complaints and what else customers told us",
        needs=Permission.CASES_READ,
        json=list_cases,
        query=CasesQuery,
        answer=CasesOut,
        errors=("bad-cursor",),
        tag="cases",
    ),
    Route(
        method="POST",
        path="/api/v1/cases",
        summary="Register a case",
        needs=_WORK,
        json=create,
        body=NewCaseIn,
        answer=CaseDetailOut,
        status=201,
        once=True,
        errors=(
            "bad-case",
            "case-not-found",
            "case-step-forbidden",
            "customer-not-found",
            "vehicle-not-found",
        ),
        tag="cases",
    ),
    Route(
        method="GET",
        path="/api/v1/case-choices",
        summary="Departments and persons in charge to choose from",
        needs=Permission.CASES_READ,
        json=choices,
        answer=CaseChoicesOut,
        tag="cases",
    ),
    Route(
        method="GET",
        path=_ONE,
        summary="One case with its trail and allowed steps",
        needs=Permission.CASES_READ,
        json=get,
        answer=CaseDetailOut,
        errors=("case-not-found",),
        views="case",
        tag="cases",
    ),
    _route(Step.ASSIGN, "Hand a case to a department and a person in charge", AssignIn, _WORK),
    _route(Step.ACCEPT, "The department accepts", StepIn, _BOTH),
    _route(Step.HAND_BACK, "The wrong department: hand it back", WordsIn, _BOTH),
    _route(Step.START, "The department begins", StepIn, _BOTH),
    _route(Step.REPLY, "The department replies: cause, responsibility, plan", ReplyIn, _BOTH),
    _route(Step.RETURN_REPLY, "The reply is not enough", WordsIn, _WORK),
    _route(Step.TELL_PLAN, "The customer was told the plan, or not reached", TellPlanIn, _WORK),
    _route(Step.CARRIED_OUT, "What was agreed is carried out", StepIn, _BOTH),
    _route(Step.SECOND_VISIT, "The second visit, and what the customer says", SecondVisitIn, _WORK),
    _route(Step.WITHDRAW, "The customer takes it back", WordsIn, _WORK),
    _route(
        Step.EXCEPTION,
        "Sign that it closes without a satisfied visit",
        WordsIn,
        Permission.CASES_EXCEPTION,
    ),
    _route(Step.CLOSE, "Final check: close", StepIn, _WORK),
    _route(Step.ANSWER, "Inquiry, suggestion, praise: answered and closed", WordsIn, _WORK),
    _route(Step.CLASSIFY, "Another kind or grade", ClassifyIn, _WORK),
    _route(
        Step.CHANGE,
        "Correct the form",
        ChangeIn,
        _WORK,
        "customer-not-found",
        "vehicle-not-found",
    ),
    _route(Step.ANALYSE, "Cause, responsibility, corrective action", AnalyseIn, _WORK),
    _route(Step.TIE, "It repeats or doubles another case", TieIn, _WORK),
    _route(Step.NOTE, "Add a note", WordsIn, _BOTH),
    _route(Step.URGE, "Urge who has the next step", StepIn, _WORK),
    _route(Step.LINK, "A new private link for the department", StepIn, _WORK),
    _route(Step.EFFECT, "Whether the corrective action helped", EffectIn, _WORK),
)

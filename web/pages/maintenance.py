"""Pages of maintenance: the plans and their versions, what comes due, what became of reminders, and the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import Field, StringConstraints

from access.permissions import Permission
from crm.contacts.contacts import MAINTENANCE_KINDS, ReasonKind
from crm.contacts.rules import DEFAULTS, GENERATED
from crm.maintenance.forecast import Stage
from crm.maintenance.plans import DEFAULT, Interval, Plan, PlanNotFound
from crm.records.purchases import VisitKind
from web.api.contacts import rules_out
from web.api.maintenance import plan_out
from web.api.shapes import Cursor, Id
from web.auth import Signed
from web.bodies import read_query
from web.languages import text, texts
from web.pages.contact_words import ContactWords
from web.pages.contacts import words_of
from web.pages.shell import show
from web.ports.maintenance import DueWeek, InvitationMonth
from web.routes import SERVICES, Route, Shape

_SHEETS: Final = ("contacts.css", "reports.css", "maintenance.css")
#: Height of the plots' bars.
_HEIGHT: Final = 96
#: Weeks that are shown where none are asked for.
_WEEKS: Final = 12
#: Months of reminders that are shown.
_MONTHS: Final = 6
_OUTCOMES: Final = ("invited", "reached", "booked", "came")
_KINDS: Final = (*MAINTENANCE_KINDS, ReasonKind.DATED_ITEM)
#: Rows of dated items a form has room for.
_ITEMS: Final = 4
#: What a version is compared by.
_COMPARED: Final = (
    "name",
    "brand",
    "model",
    "first",
    "periodic",
    "lead_days",
    "useful_days",
    "km_per_day",
    "fulfilled_by",
    "items",
)


class NewPlanQuery(Shape):
    house: bool = False


class DueQuery(Shape):
    #: Nothing: the weeks that are shown.
    first: date | None = None
    last: date | None = None
    stage: Stage | None = None
    cursor: Id | None = None


class InvitedQuery(Shape):
    kind: Literal["first_maintenance", "periodic_maintenance", "dated_item"] = "periodic_maintenance"
    outcome: Literal["invited", "reached", "booked", "came"] = "invited"
    #: Nothing: this month.
    month: Annotated[str, StringConstraints(pattern=r"^((19|20|21)\d\d-(0[1-9]|1[0-2]))?$")] = ""
    cursor: Cursor | None = None


class MaintenanceQuery(Shape):
    months: Annotated[int, Field(ge=1, le=24)] = _MONTHS


def _today(request: web.Request) -> date:
    services = request.app[SERVICES]
    return services.clock.now().astimezone(ZoneInfo(services.zone)).date()


def _page(
    request: web.Request, signed: Signed, template: str, values: Mapping[str, object]
) -> web.StreamResponse:
    words = words_of(request, signed)
    return show(
        request,
        signed,
        f"maintenance/{template}.html",
        here="maintenance",
        sheets=_SHEETS,
        values={
            "words": words,
            "interval": lambda one: interval_words(words, one),
            "whose": lambda one: whose_words(words, one),
            "day_words": words.day,
            **values,
        },
    )


def interval_words(words: ContactWords, one: Interval) -> str:
    """After how many months or kilometres."""
    parts = []
    if one.months is not None:
        parts.append(words.t("maintenance.months", count=one.months))
    if one.km is not None:
        parts.append(words.t("maintenance.km", count=f"{one.km:,}"))
    return words.t("maintenance.or").join(parts)


def whose_words(words: ContactWords, plan: Plan) -> str:
    """Which vehicles a plan speaks of."""
    if plan.is_default:
        return words.t("maintenance.whole_house")
    if not plan.model:
        return words.t("maintenance.whole_brand", brand=plan.brand)
    return plan.model if plan.model.startswith(plan.brand) else f"{plan.brand} {plan.model}"


def differences(words: ContactWords, before: Plan, after: Plan) -> list[tuple[str, str, str]]:
    """What a version changed: field, what it was, what it is; in words."""
    return [
        (
            words.t(f"maintenance.field.{name}"),
            _worth(words, name, getattr(before, name)),
            _worth(words, name, getattr(after, name)),
        )
        for name in _COMPARED
        if getattr(before, name) != getattr(after, name)
    ]


def _worth(words: ContactWords, name: str, value: Any) -> str:
    if isinstance(value, Interval):
        return interval_words(words, value)
    if name == "fulfilled_by":
        return words.t("contacts.and").join(words.t(f"records.visit_kind.{one.value}") for one in value)
    if name == "items":
        return (
            words.t("contacts.and").join(
                words.t(
                    "maintenance.item_words",
                    name=words.maybe(f"maintenance.item.{one.name}", one.name),
                    months=one.every_months,
                    lead=one.lead_days,
                )
                for one in value
            )
            or "—"
        )
    return str(value) or "—"


def _months(today: date, count: int) -> list[date]:
    found = [today.replace(day=1)]
    while len(found) < count:
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found[::-1]


def _end_of(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _week_bars(weeks: Sequence[DueWeek]) -> list[dict[str, Any]]:
    most = max([one.first_maintenance + one.periodic for one in weeks] + [1])

    def high(count: int) -> int:
        return max(round(count / most * _HEIGHT), 3) if count else 0

    return [
        {"week": one, "first": high(one.first_maintenance), "periodic": high(one.periodic)} for one in weeks
    ]


def _rate_plots(found: Sequence[InvitationMonth], months: Sequence[date]) -> list[dict[str, Any]]:
    """A plot a kind: every month with its four bars."""
    counts = {(one.kind, one.month): one.counts for one in found}
    plots = []
    for kind in _KINDS:
        lines = [
            (month, counts.get((kind, f"{month:%Y-%m}"), dict.fromkeys(_OUTCOMES, 0))) for month in months
        ]
        most = max([line["invited"] for _, line in lines] + [1])
        if not any(line["invited"] for _, line in lines):
            continue
        plots.append(
            {
                "kind": kind,
                "lines": [
                    {
                        "month": month,
                        "counts": line,
                        "bars": [
                            (
                                name,
                                line[name],
                                max(round(line[name] / most * _HEIGHT), 3) if line[name] else 0,
                            )
                            for name in _OUTCOMES
                        ],
                    }
                    for month, line in lines
                ],
            }
        )
    return plots


async def show_overview(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The plans, what comes due and what became of reminders."""
    services, by = request.app[SERVICES], signed.principal
    query = read_query(MaintenanceQuery, request)
    now, today = services.clock.now(), _today(request)
    every = await services.maintenance.plans(retired=True)
    weeks = await services.maintenance.weeks(now)
    rates: Sequence[InvitationMonth] = ()
    months = _months(today, query.months)
    if by.may(Permission.REPORTS_READ):
        rates = await services.maintenance.invitations(by, months[0], today, now)
    waiting = await services.maintenance.waiting()
    known = {one.id for one in every}
    return _page(
        request,
        signed,
        "overview",
        {
            "plans": [one for one in every if one.retired_at is None],
            "retired": [one for one in every if one.retired_at is not None],
            "waiting": {one.id: one for one in waiting},
            "to_come": [one for one in waiting if one.id not in known],
            "bars": _week_bars(weeks),
            "coming": sum(one.first_maintenance + one.periodic for one in weeks),
            "first_day": weeks[0].first,
            "last_day": weeks[-1].last,
            "plots": _rate_plots(rates, months),
            "outcomes": _OUTCOMES,
            "rows_at": lambda **more: "/maintenance/invited?" + urlencode(more),
            "due_at": lambda **more: "/maintenance/due?" + urlencode(more),
        },
    )


async def _plan_page(
    request: web.Request, signed: Signed, plan: Plan, versions: Sequence[Plan]
) -> web.StreamResponse:
    services = request.app[SERVICES]
    words = words_of(request, signed)
    known = texts(words.language)
    prefix = "maintenance.item."
    names = [key.removeprefix(prefix) for key in known if key.startswith(prefix)]
    names += [one.name for one in plan.items if one.name not in names]
    items = [*plan.items, *([None] * max(0, _ITEMS - len(plan.items)))]
    before = dict(zip([one.version for one in versions], [*versions[1:], None], strict=False))
    waiting = next((one for one in await services.maintenance.waiting() if one.id == plan.id != ""), None)
    held = next((one for one in await services.maintenance.plans() if one.id == plan.id != ""), None)
    return _page(
        request,
        signed,
        "plan",
        {
            "plan": plan,
            "versions": versions,
            "changed": {
                one.version: differences(words, earlier, one)
                for one in versions
                if (earlier := before.get(one.version)) is not None
            },
            "waits": waiting,
            "held": held,
            "visit_kinds": list(VisitKind),
            "items": items,
            "item_names": [(one, words.maybe(f"{prefix}{one}", one)) for one in names],
            "models": await services.records.models(),
            "today": _today(request),
            "page": {
                "id": plan.id,
                "plan": plan_out(plan).model_dump(mode="json"),
                "fields": {name: words.t(f"maintenance.field.{name}") for name in _COMPARED},
            },
        },
    )


async def show_new_plan(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A plan for another model or brand; or the house's own, where it has saved none."""
    query = read_query(NewPlanQuery, request)
    house = next(one for one in await request.app[SERVICES].maintenance.plans() if one.is_default)
    if query.house and house.id:
        raise web.HTTPSeeOther(f"/maintenance/plans/{house.id}")
    begun = Plan(
        id="",
        name=text(words_of(request, signed).language, "maintenance.whole_house") if query.house else "",
        first=house.first,
        periodic=house.periodic,
        lead_days=house.lead_days,
        useful_days=house.useful_days,
        km_per_day=house.km_per_day,
        fulfilled_by=house.fulfilled_by,
        items=house.items or DEFAULT.items,
    )
    return await _plan_page(request, signed, begun, ())


async def show_plan(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One plan: its newest version to edit, and all before it."""
    versions = await request.app[SERVICES].maintenance.versions(request.match_info["plan_id"])
    if not versions:
        raise PlanNotFound("There is no such plan.")
    return await _plan_page(request, signed, versions[0], versions)


def _rule_words(words: ContactWords, name: str) -> str:
    """What a change of the rules is about: "tries", "service_visit.days", "class_days.A"."""
    first, _, rest = name.partition(".")
    if first == "class_days":
        return f"{words.t('maintenance.rule.class_days')} {rest}"
    if rest:
        return (
            f"{words.maybe(f'contacts.kind.{first}', first)}, {words.maybe(f'maintenance.rule.{rest}', rest)}"
        )
    return words.maybe(f"maintenance.rule.{first}", first)


async def show_rules(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Which events make contacts, and what becomes of those nobody answers."""
    services = request.app[SERVICES]
    rules = rules_out(await services.contacts.rules())
    runs = await services.contacts.runs(limit=14)
    return _page(
        request,
        signed,
        "rules",
        {
            "rules": rules,
            "kinds": list(DEFAULTS),
            "generated": GENERATED,
            "maintenance_kinds": MAINTENANCE_KINDS,
            "departments": sorted(services.departments),
            "runs": runs,
            "changes": await services.contacts.rule_changes(),
            "rule_words": lambda name: _rule_words(words_of(request, signed), name),
            "page": rules.model_dump(mode="json"),
        },
    )


async def show_due(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The vehicles behind a bar, each with the reason."""
    services = request.app[SERVICES]
    query = read_query(DueQuery, request)
    first = query.first or _today(request)
    last = query.last or min(first, date(9000, 1, 1)) + timedelta(days=7 * _WEEKS - 1)
    found, following = await services.maintenance.due_between(
        signed.principal, first, last, query.stage, services.clock.now(), cursor=query.cursor
    )
    kept = {"first": first.isoformat(), "last": last.isoformat()}
    return _page(
        request,
        signed,
        "due",
        {
            "items": found,
            "next": following,
            "query": query,
            "first": first,
            "last": last,
            "address": "/maintenance/due?"
            + urlencode({**kept, **({"stage": query.stage} if query.stage else {})}),
            "stages": [(None, "/maintenance/due?" + urlencode(kept))]
            + [(one, "/maintenance/due?" + urlencode({**kept, "stage": one.value})) for one in Stage],
        },
    )


async def show_invited(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The reminders behind a bar, each with what became of it."""
    services = request.app[SERVICES]
    query = read_query(InvitedQuery, request)
    month = date.fromisoformat(f"{query.month}-01") if query.month else _today(request).replace(day=1)
    found, following = await services.maintenance.invited(
        signed.principal,
        ReasonKind(query.kind),
        query.outcome,
        month,
        _end_of(month),
        services.clock.now(),
        cursor=query.cursor,
    )
    kept = {"kind": query.kind, "month": f"{month:%Y-%m}"}
    return _page(
        request,
        signed,
        "invited",
        {
            "items": found,
            "next": following,
            "query": query,
            "kind": ReasonKind(query.kind),
            "month": kept["month"],
            "address": "/maintenance/invited?" + urlencode({**kept, "outcome": query.outcome}),
            "outcomes": [
                (one, "/maintenance/invited?" + urlencode({**kept, "outcome": one})) for one in _OUTCOMES
            ],
        },
    )


_READ: Final = Permission.MAINTENANCE_READ

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/maintenance",
        summary="Maintenance plans, what comes due, what became of reminders",
        needs=_READ,
        page=show_overview,
        query=MaintenanceQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/maintenance/plans/new",
        summary="A plan for another model",
        needs=Permission.MAINTENANCE_WRITE,
        page=show_new_plan,
        query=NewPlanQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/maintenance/plans/{plan_id}",
        summary="One plan with its versions",
        needs=_READ,
        page=show_plan,
        errors=("plan-not-found",),
        media="text/html",
    ),
    Route(
        method="GET",
        path="/maintenance/rules",
        summary="Which events make contacts",
        needs=_READ,
        page=show_rules,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/maintenance/due",
        summary="The vehicles that are due on some days",
        needs=_READ,
        page=show_due,
        query=DueQuery,
        errors=("bad-cursor",),
        media="text/html",
    ),
    Route(
        method="GET",
        path="/maintenance/invited",
        summary="The reminders behind a figure",
        needs=Permission.REPORTS_READ,
        page=show_invited,
        query=InvitedQuery,
        errors=("bad-cursor",),
        media="text/html",
    ),
)

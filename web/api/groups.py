"""Groups of customers: what they are, who is in them, and lists frozen for a campaign or a send."""

from __future__ import annotations

from typing import Any

from access.audit import Action
from access.permissions import Permission
from crm.groups.fields import Catalogue, Field, FieldKind, operators_of
from crm.groups.groups import Freeze
from crm.groups.query import write_query
from crm.groups.words import OPERATORS, THINGS, choice_label, field_label
from web.api.group_shapes import (
    ChangedOut,
    FreezeIn,
    FreezeOut,
    FreezesOut,
    GroupChangeIn,
    GroupFieldOut,
    GroupFieldsOut,
    GroupOut,
    GroupScopeOut,
    GroupsOut,
    GroupsQuery,
    LookIn,
    LookOut,
    MemberOut,
    MembersOut,
    NewGroupIn,
    OperatorOut,
    PageQuery,
    PutInIn,
    TakeOutIn,
)
from web.ports.groups import GroupView, MemberPage
from web.routes import Ask, Nothing, Route


def language_of(ask: Ask[Any, Any]) -> str:
    """The asker's language; programs get the house's."""
    return ask.signed.session.user.language if ask.signed.session else "zh-CN"


_INNER = frozenset({"query", "created_by", "made_of_import", "filling_place"})


def group_out(view: GroupView) -> GroupOut:
    """A group as it goes out."""
    group = view.group
    plain = {name: one for name, one in _plain(group).items() if name not in _INNER}
    return GroupOut.model_validate(
        {
            **plain,
            "query": None if group.query is None else write_query(group.query),
            "sentence": view.sentence,
            "created_by_name": view.created_by_name,
            "filling": group.filling_place is not None,
        }
    )


def members_out(page: MemberPage) -> MembersOut:
    """A page of people."""
    items = [MemberOut.model_validate({**_plain(one), "plates": list(one.plates)}) for one in page.items]
    return MembersOut(items=items, next=page.next)


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def freeze_out(freeze: Freeze) -> FreezeOut:
    """A frozen list."""
    return FreezeOut.model_validate(
        {name: value for name, value in _plain(freeze).items() if name != "query"}
    )


async def list_groups(ask: Ask[GroupsQuery, Nothing]) -> GroupsOut:
    """Groups by name."""
    page = await ask.services.groups.list(
        ask.by,
        language_of(ask),
        archived=ask.query.archived,
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )
    return GroupsOut(items=[group_out(one) for one in page.items], next=page.next)


async def create(ask: Ask[Nothing, NewGroupIn]) -> GroupOut:
    """Make a group."""
    body = ask.body
    made = await ask.services.groups.add(
        ask.by,
        ask.entry(Action.GROUP_CREATED),
        language_of(ask),
        name=body.name,
        kind=body.kind,
        note=body.note,
        query=body.query,
    )
    return group_out(made)


def catalogue_out(catalogue: Catalogue, language: str) -> GroupFieldsOut:
    """What may be asked, labelled."""
    return GroupFieldsOut(
        root=catalogue.root,
        scopes=[
            GroupScopeOut(
                name=name,
                label=THINGS[language][name],
                fields=[_field_out(field, name, language) for field in scope.fields.values()],
                things=list(scope.things),
            )
            for name, scope in catalogue.scopes.items()
        ],
    )


def _field_out(field: Field, scope: str, language: str) -> GroupFieldOut:
    return GroupFieldOut(
        name=field.name,
        label=field_label(field, scope, language),
        kind=field.kind.value,
        operators=[
            OperatorOut(name=one.value, label=OPERATORS[language][one]) for one in operators_of(field)
        ],
        choices=[
            OperatorOut(name=one, label=choice_label(field, one, language))
            for one in field.choices
            if field.kind is FieldKind.CHOICE
        ],
    )


async def fields(ask: Ask[Nothing, Nothing]) -> GroupFieldsOut:
    """What a query may ask."""
    return catalogue_out(await ask.services.groups.catalogue(ask.by), language_of(ask))


async def look(ask: Ask[Nothing, LookIn]) -> LookOut:
    """How many a query fits, and who comes first."""
    body = ask.body
    found = await ask.services.groups.look(
        ask.by, body.query, language_of(ask), ask.now, limit=body.limit, patient=body.patient
    )
    people = members_out(MemberPage(items=found.members))
    return LookOut(
        sentence=found.sentence,
        count=found.count,
        members=people.items,
        seconds=round(found.seconds, 3),
    )


async def get(ask: Ask[Nothing, Nothing]) -> GroupOut:
    """One group."""
    return group_out(await ask.services.groups.get(ask.by, ask.path["group_id"], language_of(ask)))


async def change(ask: Ask[Nothing, GroupChangeIn]) -> GroupOut:
    """Change what the body names."""
    body, group_id = ask.body, ask.path["group_id"]
    changed = await ask.services.groups.change(
        ask.by,
        group_id,
        ask.entry(Action.GROUP_CHANGED, f"group:{group_id}"),
        language_of(ask),
        version=body.version,
        name=body.name,
        note=body.note,
        query=body.query,
    )
    return group_out(changed)


async def archive(ask: Ask[Nothing, Nothing]) -> GroupOut:
    """Put a group away; frozen lists of it stay."""
    group_id = ask.path["group_id"]
    entry = ask.entry(Action.GROUP_CHANGED, f"group:{group_id}", {"archived": True})
    return group_out(await ask.services.groups.archive(ask.by, group_id, entry, language_of(ask)))


async def members(ask: Ask[PageQuery, Nothing]) -> MembersOut:
    """Who is in a group now."""
    page = await ask.services.groups.members(
        ask.by, ask.path["group_id"], ask.now, cursor=ask.query.cursor, limit=ask.query.limit
    )
    return members_out(page)


async def count(ask: Ask[Nothing, Nothing]) -> ChangedOut:
    """Count a group in full, however long it takes (a minute at most)."""
    return ChangedOut(count=await ask.services.groups.count(ask.by, ask.path["group_id"], ask.now))


async def put_in(ask: Ask[Nothing, PutInIn]) -> ChangedOut:
    """Put people into a static group."""
    body, group_id = ask.body, ask.path["group_id"]
    added = await ask.services.groups.put_in(
        ask.by,
        group_id,
        ask.entry(Action.GROUP_CHANGED, f"group:{group_id}", {"put_in": len(body.customer_ids) or "all"}),
        ids=body.customer_ids,
        query=body.query,
        from_group=body.group_id,
    )
    return ChangedOut(count=added)


async def take_out(ask: Ask[Nothing, TakeOutIn]) -> ChangedOut:
    """Take people out of a static group."""
    group_id, ids = ask.path["group_id"], ask.body.customer_ids
    entry = ask.entry(Action.GROUP_CHANGED, f"group:{group_id}", {"taken_out": len(ids)})
    return ChangedOut(count=await ask.services.groups.take_out(ask.by, group_id, entry, ids))


async def freeze(ask: Ask[Nothing, FreezeIn]) -> FreezeOut:
    """Write down who is in a group now."""
    group_id = ask.path["group_id"]
    entry = ask.entry(Action.GROUP_FROZEN, f"group:{group_id}")
    return freeze_out(
        await ask.services.groups.freeze(ask.by, group_id, entry, language_of(ask), ask.body.purpose)
    )


async def freezes(ask: Ask[Nothing, Nothing]) -> FreezesOut:
    """Frozen lists of a group, newest first."""
    found = await ask.services.groups.freezes(ask.by, ask.path["group_id"])
    return FreezesOut(items=[freeze_out(one) for one in found])


async def frozen(ask: Ask[PageQuery, Nothing]) -> MembersOut:
    """Who is in a frozen list."""
    page = await ask.services.groups.frozen(
        ask.by, ask.path["freeze_id"], cursor=ask.query.cursor, limit=ask.query.limit, now=ask.now
    )
    return members_out(page)


_ONE = "/api/v1/groups/{group_id}"


def _route(method: Any, path: str, summary: str, handler: Any, answer: Any, **more: Any) -> Route:
    needs = more.pop("needs", Permission.GROUPS_WRITE if method != "GET" else Permission.GROUPS_READ)
    return Route(
        method=method,
        path=path,
        summary=summary,
        needs=needs,
        json=handler,
        answer=answer,
        tag="groups",
        **more,
    )


_QUERY = ("bad-group-query",)
_CHANGE = ("group-not-found", "group-refused")

ROUTES = (
    _route("GET", "/api/v1/groups", "List groups", list_groups, GroupsOut, query=GroupsQuery),
    _route(
        "POST",
        "/api/v1/groups",
        "Make a group",
        create,
        GroupOut,
        body=NewGroupIn,
        status=201,
        errors=("group-refused", "group-name-taken", *_QUERY),
    ),
    _route("GET", "/api/v1/group-fields", "What a group's query may ask", fields, GroupFieldsOut),
    _route(
        "POST",
        "/api/v1/group-look",
        "Count a query and see who comes first",
        look,
        LookOut,
        body=LookIn,
        needs=Permission.GROUPS_READ,
        errors=_QUERY,
    ),
    _route("GET", _ONE, "One group", get, GroupOut, errors=("group-not-found",)),
    _route(
        "PATCH",
        _ONE,
        "Change a group",
        change,
        GroupOut,
        body=GroupChangeIn,
        errors=(*_CHANGE, "group-name-taken", "group-changed", *_QUERY),
    ),
    _route("DELETE", _ONE, "Put a group away", archive, GroupOut, errors=("group-not-found",)),
    _route(
        "GET",
        f"{_ONE}/members",
        "Who is in a group",
        members,
        MembersOut,
        query=PageQuery,
        errors=("group-not-found", "too-slow"),
    ),
    _route(
        "POST",
        f"{_ONE}/members",
        "Put people into a static group",
        put_in,
        ChangedOut,
        body=PutInIn,
        errors=(*_CHANGE, *_QUERY, "too-slow"),
    ),
    _route(
        "POST",
        f"{_ONE}/members/remove",
        "Take people out of a static group",
        take_out,
        ChangedOut,
        body=TakeOutIn,
        errors=_CHANGE,
    ),
    _route(
        "POST",
        f"{_ONE}/count",
        "Count a group in full",
        count,
        ChangedOut,
        needs=Permission.GROUPS_READ,
        errors=("group-not-found", "too-slow"),
    ),
    _route(
        "POST",
        f"{_ONE}/freezes",
        "Freeze who is in a group",
        freeze,
        FreezeOut,
        body=FreezeIn,
        status=201,
        errors=(*_CHANGE, "too-slow"),
    ),
    _route("GET", f"{_ONE}/freezes", "Frozen lists", freezes, FreezesOut, errors=("group-not-found",)),
    _route(
        "GET",
        "/api/v1/group-freezes/{freeze_id}/members",
        "Who is in a frozen list",
        frozen,
        MembersOut,
        query=PageQuery,
        errors=("group-not-found",),
    ),
)

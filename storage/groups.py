"""Groups of customers: rows, members, counts, and lists frozen for a campaign or a send."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.masking import mask_name
from access.permissions import Permission
from access.sentences import Sentence
from access.users import Principal
from crm.groups.fields import CATALOGUE, Catalogue, Field, FieldKind, own_name, with_own, without_parts
from crm.groups.groups import (
    LONGEST_NOTE,
    MOST_AT_ONCE,
    Freeze,
    Group,
    GroupKind,
    Look,
    Member,
    clean_group_name,
    group_name_key,
)
from crm.groups.query import (
    BadQuery,
    GroupChanged,
    GroupNotFound,
    GroupRefused,
    GroupTaken,
    Query,
    read_query,
    tests_of,
    write_query,
)
from crm.groups.sentences import sentence
from storage import fields as own_fields
from storage import group_counts
from storage.group_queries import people
from storage.sight import Sight, in_scope, is_open, is_scoped, sights
from storage.tables.access import users
from storage.tables.groups import group_freeze_members, group_freezes, group_members, groups
from storage.tables.records import customers, vehicle_people, vehicles
from storage.timed import TooSlow, within

#: Seconds an editor waits for a number; what takes longer is counted on request.
PATIENCE_SECONDS: Final = 2.0
LONG_PATIENCE_SECONDS: Final = 60.0
#: People put in or written down by one transaction.
SHARE: Final = 2000
#: A frozen list that was begun so long ago is not worked on any more.
_UNFINISHED: Final = timedelta(days=1)


# -- what may be asked --------------------------------------------------------------------------------


def catalogue_for(connection: Connection, viewer: Principal | None = None) -> Catalogue:
    """What may be asked in this house: no fields hidden from the viewer's role, no parts of what he sees masked."""
    found = own_fields.list_fields(connection)
    if viewer is None:
        return with_own(CATALOGUE, found)
    catalogue = with_own(CATALOGUE, [one for one in found if viewer.role not in one.hidden_from])
    return catalogue if viewer.sees_numbers else without_parts(catalogue)


def checked_query(connection: Connection, raw: object, viewer: Principal | None = None) -> Query:
    """The tree of a JSON value, every group it names being there. Raises BadQuery."""
    catalogue = catalogue_for(connection, viewer)
    query = read_query(raw, catalogue)
    wanted = {str(test.value) for test in tests_of(query) if test.field == "group"}
    usable = select(groups.c.id).where(
        groups.c.id.in_(wanted), groups.c.kind == GroupKind.STATIC, groups.c.archived_at.is_(None)
    )
    if wanted and wanted - set(connection.execute(usable).scalars()):
        raise BadQuery("", "unknown-group", "it names a group that is not there, or is none of people put in")
    return query


def said(connection: Connection, query: Query, language: str) -> str:
    """The query in words, with the names of the agents and groups in it; retired fields are said as well."""
    return sentence(query, _whole_catalogue(connection), language, _names(connection, query))


def may_read(connection: Connection, query: Query, viewer: Principal) -> bool:
    """Whether no field of this query is hidden from the viewer's role."""
    hidden = {
        own_name(one.key)
        for one in own_fields.list_fields(connection, retired=True)
        if viewer.role in one.hidden_from
    }
    return not any(test.field in hidden for test in tests_of(query))


def _whole_catalogue(connection: Connection) -> Catalogue:
    """Everything a stored query may ask: a field that was retired since can still be read."""
    return with_own(CATALOGUE, own_fields.list_fields(connection, retired=True))


def _names(connection: Connection, query: Query) -> Any:
    known: dict[tuple[str, str], str] = {}
    by_field = {
        name: {str(one) for test in tests_of(query) if test.field == name for one in _several(test.value)}
        for name in ("group", "own_agent")
    }
    for name, table in (("group", groups), ("own_agent", users)):
        if by_field[name]:
            rows = connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(by_field[name])))
            known.update({(name, id): shown for id, shown in rows})

    def name_of(field: Field, value: str) -> str:
        key = "group" if field.kind is FieldKind.GROUP else "own_agent"
        return known.get((key, value), value)

    return name_of


def _several(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


# -- groups -------------------------------------------------------------------------------------------


def group_from(connection: Connection, row: RowMapping) -> Group:
    """The value of a row that holds every column of `groups`."""
    return Group(
        id=row["id"],
        name=row["name"],
        kind=GroupKind(row["kind"]),
        note=row["note"],
        query=_kept_query(connection, row["query"]),
        query_version=row["query_version"],
        version=row["version"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
        counted=row["counted"],
        counted_at=row["counted_at"],
        made_of_import=row["made_of_import"],
        filling_place=row["filling_place"],
    )


def _kept_query(connection: Connection, raw: object) -> Query | None:
    return None if raw is None else read_query(raw, _whole_catalogue(connection))


def add_group(
    connection: Connection,
    *,
    name: str,
    kind: GroupKind,
    now: datetime,
    by: Principal,
    note: str = "",
    query: object = None,
    import_id: str | None = None,
) -> Group:
    """A new group; of an import's people it is filled by `storage.group_filling`.

    Raises GroupRefused, GroupTaken, BadQuery.
    """
    _check_note(note)
    if (kind is GroupKind.DYNAMIC) is (query is None):
        raise GroupRefused("A dynamic group has a query, and a static one has none. Nothing was added.")
    kept = None if query is None else write_query(checked_query(connection, query, by))
    shown = clean_group_name(name)
    row = {
        "id": new_id(now),
        "name": shown,
        "name_key": group_name_key(shown),
        "kind": kind,
        "note": note,
        "query": kept,
        "query_version": 1,
        "version": 1,
        "created_by": by.user_id,
        "created_at": now,
        "updated_at": now,
        "made_of_import": import_id,
        "filling_place": None if import_id is None else 0,
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(groups).values(**row))
    except IntegrityError as error:
        raise GroupTaken(
            Sentence("There is a group “{name}” already. Nothing was added.", name=shown)
        ) from error
    return get_group(connection, str(row["id"]))


def get_group(connection: Connection, group_id: str, *, lock: bool = False) -> Group:
    """One group, archived or not. Raises GroupNotFound."""
    wanted = select(groups).where(groups.c.id == group_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise GroupNotFound("There is no such group.")
    return group_from(connection, row)


def list_groups(
    connection: Connection, *, archived: bool = False, after: str = "", limit: int = 50
) -> list[Group]:
    """Groups by name; `after` is the name key of the last one seen (of archived ones: its id)."""
    limit = min(max(limit, 1), 200)
    if archived:
        wanted = select(groups).where(groups.c.archived_at.is_not(None)).order_by(groups.c.id)
        wanted = wanted.where(groups.c.id > after)
    else:
        wanted = select(groups).where(groups.c.archived_at.is_(None)).order_by(groups.c.name_key)
        wanted = wanted.where(groups.c.name_key > after)
    return [group_from(connection, row) for row in connection.execute(wanted.limit(limit)).mappings()]


def static_names(connection: Connection) -> dict[str, str]:
    """Id to name of the groups people are put into, by name."""
    wanted = select(groups.c.id, groups.c.name).where(
        groups.c.kind == GroupKind.STATIC, groups.c.archived_at.is_(None)
    )
    return {row.id: row.name for row in connection.execute(wanted.order_by(groups.c.name_key))}


def change_group(
    connection: Connection,
    group_id: str,
    *,
    now: datetime,
    by: Principal,
    version: int | None = None,
    name: str | None = None,
    note: str | None = None,
    query: object = None,
) -> Group:
    """Change what is given. Raises GroupNotFound, GroupRefused, GroupTaken, GroupChanged, BadQuery."""
    before = _usable(connection, group_id)
    if version is not None and version != before.version:
        raise GroupChanged(
            "Somebody has changed this group meanwhile. Nothing of yours was saved; look at it again."
        )
    values: dict[str, Any] = {"updated_at": now, "version": before.version + 1}
    if name is not None:
        values["name"] = clean_group_name(name)
        values["name_key"] = group_name_key(values["name"])
    if note is not None:
        _check_note(note)
        values["note"] = note
    if query is not None:
        if before.kind is GroupKind.STATIC:
            raise GroupRefused("People are put into this group; it has no query. Nothing was changed.")
        changed = checked_query(connection, query, by)
        if changed != before.query:
            values |= {
                "query": write_query(changed),
                "query_version": before.query_version + 1,
                "counted": None,
                "counted_at": None,
            }
    try:
        with connection.begin_nested():
            connection.execute(update(groups).where(groups.c.id == group_id).values(**values))
    except IntegrityError as error:
        raise GroupTaken(
            Sentence("There is a group “{name}” already. Nothing was changed.", name=values["name"])
        ) from error
    return get_group(connection, group_id)


def archive_group(connection: Connection, group_id: str, now: datetime) -> Group:
    """The group is in no list any more; frozen lists of it stay. Again changes nothing. Raises GroupNotFound."""
    before = get_group(connection, group_id, lock=True)
    if before.archived_at is not None:
        return before
    connection.execute(
        update(groups)
        .where(groups.c.id == group_id)
        .values(archived_at=now, name_key=None, updated_at=now, version=before.version + 1)
    )
    return get_group(connection, group_id)


def _usable(connection: Connection, group_id: str) -> Group:
    found = get_group(connection, group_id, lock=True)
    if found.archived_at is not None:
        raise GroupRefused("This group is archived. Nothing was changed.")
    return found


def _check_note(note: str) -> None:
    if len(note) > LONGEST_NOTE:
        raise GroupRefused(
            Sentence("A note has at most {most} characters. Nothing was changed.", most=LONGEST_NOTE)
        )


# -- who is in ----------------------------------------------------------------------------------------


def people_of(connection: Connection, group: Group, now: datetime, zone: ZoneInfo) -> Select[tuple[str]]:
    """The ids of everybody in a group now; run it in the same transaction."""
    if group.query is None:
        return (
            select(group_members.c.customer_id)
            .join(customers, customers.c.id == group_members.c.customer_id)
            .where(group_members.c.group_id == group.id, customers.c.merged_into.is_(None))
        )
    return asked(connection, group.query, now, zone)


def asked(connection: Connection, query: Query, now: datetime, zone: ZoneInfo) -> Select[tuple[str]]:
    """The ids of everybody a query fits now."""
    return people(
        query,
        _whole_catalogue(connection),
        today=now.astimezone(zone).date(),
        zone=zone,
        sqlite=connection.dialect.name == "sqlite",
    )


def look(
    connection: Connection,
    viewer: Principal,
    ids: Select[tuple[str]],
    *,
    limit: int = 20,
    seconds: float = PATIENCE_SECONDS,
    now: datetime | None = None,
) -> Look:
    """How many fit and who comes first (by id, the oldest record first), within `seconds` each.

    Only of those whose record is open to the viewer: a count over others would answer what is closed to him.
    """
    began = time.monotonic()
    if is_scoped(connection, viewer) or not viewer.may(Permission.CRM_RESTRICTED):
        there = select(customers.c.id).where(is_open(connection, viewer, now))
        ids = ids.where(ids.selected_columns[0].in_(there))
    try:
        count = within(connection, seconds, lambda c: _count(c, ids))
    except TooSlow:
        count = None
    try:
        first = within(connection, seconds, lambda c: page(c, viewer, ids, limit=limit, now=now))
    except TooSlow:
        first = []
    return Look(count=count, members=first, seconds=time.monotonic() - began)


def _count(connection: Connection, ids: Select[tuple[str]]) -> int:
    return int(connection.execute(select(func.count()).select_from(ids.subquery())).scalar_one())


def count_group(connection: Connection, group: Group, now: datetime, zone: ZoneInfo) -> int:
    """A full count; it only reads (`keep_count` remembers it). Raises TooSlow after a minute."""
    if group.kind is GroupKind.STATIC:
        return within(connection, LONG_PATIENCE_SECONDS, lambda c: group_counts.count_rows(c, group.id))
    return within(connection, LONG_PATIENCE_SECONDS, lambda c: _count(c, people_of(c, group, now, zone)))


def keep_count(connection: Connection, group: Group, counted: int, now: datetime) -> None:
    """Remember how many there were, unless the query has changed meanwhile or people have come or gone."""
    kept = update(groups).where(groups.c.id == group.id, groups.c.query_version == group.query_version)
    if group.kind is GroupKind.STATIC:
        kept = kept.where(groups.c.counted.is_not_distinct_from(group.counted))
    connection.execute(kept.values(counted=counted, counted_at=now))


def page(
    connection: Connection,
    viewer: Principal,
    ids: Select[tuple[str]],
    *,
    after: str = "",
    limit: int = 50,
    now: datetime | None = None,
) -> list[Member]:
    """Members by id, after the one seen last; as this viewer may see them."""
    column = ids.selected_columns[0]
    if is_scoped(connection, viewer):
        there = select(customers.c.id).where(in_scope(connection, viewer, now))
        ids = ids.where(column.in_(there))
    wanted = ids.where(column > after) if after else ids
    rows = connection.execute(wanted.order_by(column).limit(min(max(limit, 1), 200)))
    found = [str(row[0]) for row in rows]
    return shown_members(connection, viewer, found, now=now)


def shown_members(
    connection: Connection, viewer: Principal, ids: Sequence[str], *, now: datetime | None = None
) -> list[Member]:
    """These people in this order; names hidden where the viewer or the record's secrecy asks for it.

    Those who are not there for this viewer are left out. Without `now` no approval is good.
    """
    seen = sights(connection, viewer, ids, now)
    rows = {
        row["id"]: row
        for row in connection.execute(select(customers).where(customers.c.id.in_(ids))).mappings()
    }
    plates: dict[str, list[str]] = {}
    of_people = (
        select(vehicle_people.c.customer_id, vehicles.c.plate)
        .join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id)
        .where(
            vehicle_people.c.customer_id.in_(ids),
            vehicle_people.c.ended_at.is_(None),
            vehicles.c.plate.is_not(None),
        )
        .order_by(vehicles.c.plate)
    )
    for customer_id, plate in connection.execute(of_people):
        plates.setdefault(customer_id, []).append(plate)
    full = viewer.may(Permission.NAMES_FULL)
    members = []
    for id in ids:
        row = rows.get(id)
        if row is None or seen[id] is Sight.NONE:
            continue
        hidden = seen[id] is Sight.CLOSED or not full
        members.append(
            Member(
                customer_id=id,
                number=row["number"],
                name=mask_name(row["name"]) if hidden else row["name"],
                customer_class=row["customer_class"],
                key_account=row["key_account"],
                plates=() if hidden else tuple(dict.fromkeys(plates.get(id, ()))),
            )
        )
    return members


def members_of(
    connection: Connection,
    viewer: Principal,
    group: Group,
    now: datetime,
    zone: ZoneInfo,
    *,
    after: str = "",
    limit: int = 50,
) -> list[Member]:
    """A page of a group's members of this moment. Raises TooSlow after a minute."""
    limit = min(max(limit, 1), 200)
    ids = people_of(connection, group, now, zone)
    found = within(
        connection, LONG_PATIENCE_SECONDS, lambda c: page(c, viewer, ids, after=after, limit=limit, now=now)
    )
    if group.kind is GroupKind.DYNAMIC:
        return found
    sources = connection.execute(
        select(group_members.c.customer_id, group_members.c.source).where(
            group_members.c.group_id == group.id,
            group_members.c.customer_id.in_([member.customer_id for member in found]),
        )
    )
    origin: dict[str, str] = {row[0]: row[1] for row in sources}
    return [replace(member, source=origin.get(member.customer_id, "")) for member in found]


def put_in(
    connection: Connection,
    group_id: str,
    ids: Iterable[str],
    *,
    by: str,
    now: datetime,
    source: str = "hand",
) -> int:
    """Put people into a static group; returns how many were not in it. Merged ones go in as who they are now.

    Unknown ids are left out. Raises GroupNotFound, GroupRefused.
    """
    _static(connection, group_id)
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST_AT_ONCE:
        raise GroupRefused(
            Sentence("At most {most} people are put in at once. Nothing was changed.", most=MOST_AT_ONCE)
        )
    known = select(func.coalesce(customers.c.merged_into, customers.c.id)).where(customers.c.id.in_(wanted))
    return _put(connection, group_id, known, by=by, now=now, source=source)


def found_ids(connection: Connection, ids: Select[tuple[str]]) -> list[str]:
    """Everybody a statement finds, for writing them in shares afterwards. Raises TooSlow after a minute.

    In a reading transaction: nobody waits for it to write.
    """
    return within(connection, LONG_PATIENCE_SECONDS, lambda c: [str(row[0]) for row in c.execute(ids)])


def in_shares(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in shares of one transaction each; one without anybody where there are none."""
    for start in range(0, max(len(ids), 1), SHARE):
        yield ids[start : start + SHARE]


def _put(
    connection: Connection, group_id: str, ids: Select[Any], *, by: str, now: datetime, source: str
) -> int:
    found = ids.subquery()
    row = select(
        literal(group_id, group_members.c.group_id.type),
        found.c[0],
        literal(now, group_members.c.added_at.type),
        literal(by[:64], group_members.c.added_by.type),
        literal(source[:40], group_members.c.source.type),
    ).where(literal(1) == 1)  # SQLite needs a WHERE between SELECT and ON CONFLICT
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = engine.insert(group_members).from_select(
        ["group_id", "customer_id", "added_at", "added_by", "source"], row
    )
    added = connection.execute(
        statement.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
    ).rowcount
    _touch(connection, group_id, now, change=added)
    return added


def take_out(connection: Connection, group_id: str, ids: Collection[str], now: datetime) -> int:
    """Take people out of a static group; returns how many were in it. Raises GroupNotFound, GroupRefused."""
    _static(connection, group_id)
    if len(ids) > MOST_AT_ONCE:
        raise GroupRefused(
            Sentence("At most {most} people are taken out at once. Nothing was changed.", most=MOST_AT_ONCE)
        )
    gone = connection.execute(
        delete(group_members).where(
            group_members.c.group_id == group_id, group_members.c.customer_id.in_(list(ids))
        )
    ).rowcount
    _touch(connection, group_id, now, change=-gone)
    return gone


def _static(connection: Connection, group_id: str) -> Group:
    group = _usable(connection, group_id)
    if group.kind is not GroupKind.STATIC:
        raise GroupRefused("The query says who is in this group; change the query. Nothing was changed.")
    return group


def _touch(connection: Connection, group_id: str, now: datetime, *, change: int) -> None:
    """Remember that the group, whose row is held, changed by so many; the first time all are counted."""
    known = connection.execute(select(groups.c.counted).where(groups.c.id == group_id)).scalar_one()
    counted = group_counts.count_rows(connection, group_id) if known is None else known + change
    connection.execute(
        update(groups).where(groups.c.id == group_id).values(updated_at=now, counted=counted, counted_at=now)
    )


# -- frozen lists -------------------------------------------------------------------------------------


def begin_freeze(
    connection: Connection, group: Group, *, purpose: str, by: str, now: datetime, language: str
) -> str:
    """The id of a list that nobody may work with yet; `group` as it was when its people were read.

    What was begun and never completed goes, a day later. Raises GroupNotFound, GroupRefused.
    """
    _usable(connection, group.id)
    _forget_unfinished(connection, group.id, now)
    freeze_id = new_id(now)
    connection.execute(
        insert(group_freezes).values(
            id=freeze_id,
            group_id=group.id,
            at=now,
            by=by[:64],
            purpose=purpose[:200],
            query=None if group.query is None else write_query(group.query),
            query_version=group.query_version,
            sentence=group.name if group.query is None else said(connection, group.query, language),
            count=0,
            complete=False,
        )
    )
    return freeze_id


def add_frozen(connection: Connection, freeze_id: str, ids: Collection[str]) -> None:
    """Write down a share of the people; those who were erased meanwhile are left out."""
    row = select(literal(freeze_id, group_freeze_members.c.freeze_id.type), customers.c.id)
    row = row.where(customers.c.id.in_(ids))
    connection.execute(insert(group_freeze_members).from_select(["freeze_id", "customer_id"], row))


def complete_freeze(connection: Connection, group: Group, freeze_id: str, now: datetime) -> Freeze:
    """Everybody is written down: the list may be worked with."""
    members = select(func.count()).where(group_freeze_members.c.freeze_id == freeze_id)
    counted = connection.execute(members).scalar_one()
    connection.execute(
        update(group_freezes).where(group_freezes.c.id == freeze_id).values(count=counted, complete=True)
    )
    if group.kind is GroupKind.DYNAMIC:
        keep_count(connection, group, counted, now)
    return get_freeze(connection, freeze_id)


def _forget_unfinished(connection: Connection, group_id: str, now: datetime) -> None:
    left = select(group_freezes.c.id).where(
        group_freezes.c.group_id == group_id,
        group_freezes.c.complete.is_(False),
        group_freezes.c.at < now - _UNFINISHED,
    )
    found = list(connection.execute(left).scalars())
    if found:
        connection.execute(delete(group_freeze_members).where(group_freeze_members.c.freeze_id.in_(found)))
        connection.execute(delete(group_freezes).where(group_freezes.c.id.in_(found)))


def get_freeze(connection: Connection, freeze_id: str) -> Freeze:
    """One frozen list. Raises GroupNotFound."""
    wanted = select(group_freezes).where(group_freezes.c.id == freeze_id, group_freezes.c.complete)
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        raise GroupNotFound("There is no such frozen list.")
    return _freeze_from(connection, row)


def freezes_of(connection: Connection, group_id: str, *, limit: int = 50) -> list[Freeze]:
    """Frozen lists of a group, newest first."""
    wanted = (
        select(group_freezes)
        .where(group_freezes.c.group_id == group_id, group_freezes.c.complete)
        .order_by(group_freezes.c.at.desc(), group_freezes.c.id.desc())
        .limit(min(max(limit, 1), 200))
    )
    return [_freeze_from(connection, row) for row in connection.execute(wanted).mappings()]


def _freeze_from(connection: Connection, row: RowMapping) -> Freeze:
    return Freeze(
        id=row["id"],
        group_id=row["group_id"],
        at=row["at"],
        by=row["by"],
        purpose=row["purpose"],
        query=_kept_query(connection, row["query"]),
        query_version=row["query_version"],
        sentence=row["sentence"],
        count=row["count"],
    )


def frozen_people(connection: Connection, freeze_id: str, *, after: str = "", limit: int = 1000) -> list[str]:
    """Customer ids of a frozen list in order of id, after the one seen last: a campaign reads it in pages.

    As they were frozen: who was merged since is found by `storage.merging.current_id`.
    """
    wanted = select(group_freeze_members.c.customer_id).where(
        group_freeze_members.c.freeze_id == freeze_id, group_freeze_members.c.customer_id > after
    )
    return list(
        connection.execute(wanted.order_by(group_freeze_members.c.customer_id).limit(limit)).scalars()
    )

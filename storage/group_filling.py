"""Putting an import's people into the group that was made of them: share by share, gone on with where it stopped."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select, update

from crm.groups.groups import Group, group_name_key
from storage.groups import get_group, group_from, put_in
from storage.tables.groups import groups


def unfinished(connection: Connection) -> list[Group]:
    """Groups in use whose people are not all in yet, the oldest first."""
    wanted = select(groups).where(groups.c.filling_place.is_not(None), groups.c.archived_at.is_(None))
    return [
        group_from(connection, row) for row in connection.execute(wanted.order_by(groups.c.id)).mappings()
    ]


def begun(connection: Connection, name: str, import_id: str) -> Group | None:
    """The group of this name that this import's people are still being put into."""
    wanted = select(groups).where(
        groups.c.name_key == group_name_key(name),
        groups.c.made_of_import == import_id,
        groups.c.filling_place.is_not(None),
    )
    row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else group_from(connection, row)


def put_share(
    connection: Connection,
    group: Group,
    ids: Collection[str],
    end: int | None,
    *,
    by: str,
    now: datetime,
) -> Group | None:
    """Put in the people from where `group` was to `end`, in one step with the place; None ends it.

    None where somebody else has put them in, or the group was put away.
    """
    now_is = get_group(connection, group.id, lock=True)
    if now_is.archived_at is not None or now_is.filling_place != group.filling_place:
        return None
    put_in(connection, group.id, ids, by=by, now=now, source=f"import:{group.made_of_import}")
    connection.execute(update(groups).where(groups.c.id == group.id).values(filling_place=end))
    return get_group(connection, group.id)

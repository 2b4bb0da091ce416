"""Private links: rows. Only hashes of secrets and PINs are kept."""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from access.ids import new_id
from access.sentences import Sentence
from access.tokens import hash_secret, make_secret
from crm.links.links import (
    PIN_TRIES,
    Link,
    LinkKind,
    LinkNotFound,
    LinkRevoked,
    PinWrong,
    check,
    hash_pin,
    make_pin,
)
from storage.tables.links import links


def _link(row: RowMapping) -> Link:
    return Link(
        id=row["id"],
        kind=LinkKind(row["kind"]),
        subject=row["subject"],
        audience=row["audience"],
        made_at=row["made_at"],
        made_by=row["made_by"],
        expires_at=row["expires_at"],
        has_pin=row["pin_hash"] is not None,
        wrong_pins=row["wrong_pins"],
        opened_at=row["opened_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
        browser=row["browser"],
    )


def make_link(
    connection: Connection,
    kind: LinkKind,
    subject: str,
    *,
    audience: str,
    now: datetime,
    expires_at: datetime,
    by: str | None = None,
    with_pin: bool = False,
) -> tuple[Link, str, str]:
    """A new link: (link, its secret, its PIN or ""). Secret and PIN can be read only here."""
    link_id, secret = new_id(now), make_secret()
    pin = make_pin() if with_pin else ""
    connection.execute(
        insert(links).values(
            id=link_id,
            hash=hash_secret(secret),
            kind=kind,
            subject=subject,
            audience=audience[:128],
            made_at=now,
            made_by=by,
            expires_at=expires_at,
            pin_hash=hash_pin(link_id, pin) if pin else None,
            wrong_pins=0,
        )
    )
    row = connection.execute(select(links).where(links.c.id == link_id)).mappings().one()
    return _link(row), secret, pin


def open_link(connection: Connection, kind: LinkKind, secret: str, now: datetime) -> Link:
    """The link of a secret, its first opening noted.

    Raises LinkNotFound, LinkUsed, LinkRevoked, LinkExpired. It says nothing about the PIN: see `check_pin`.
    """
    link = find_link(connection, kind, secret)
    check(link, now)
    if link.opened_at is None:
        connection.execute(
            update(links).where(links.c.id == link.id, links.c.opened_at.is_(None)).values(opened_at=now)
        )
    return link


def bind_link(connection: Connection, link_id: str, browser: str, now: datetime) -> bool:
    """Tie a link to the browser with this hash of a cookie, its first opening noted. False where another has it.

    One statement decides, so of many first openings at once one wins; the same browser may ask again.
    """
    connection.execute(
        update(links)
        .where(links.c.id == link_id, links.c.browser.is_(None))
        .values(browser=browser, opened_at=now)
    )
    kept = connection.execute(select(links.c.browser).where(links.c.id == link_id)).scalar_one_or_none()
    return kept is not None and hmac.compare_digest(kept, browser)


def find_link(connection: Connection, kind: LinkKind, secret: str) -> Link:
    """The link of a secret, good or not; pages that thank for what is done need it. Raises LinkNotFound."""
    row = (
        connection.execute(select(links).where(links.c.hash == hash_secret(secret), links.c.kind == kind))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise LinkNotFound("There is no such link. Ask the person who sent it for a new one.")
    return _link(row)


def check_pin(connection: Connection, link: Link, pin: str) -> PinWrong | LinkRevoked | None:
    """None where the PIN is right or none is asked for; otherwise what to raise.

    The error is given back and not raised, because the count of wrong tries must be committed first. A try
    counts before it is compared, so that many at once are no more than `PIN_TRIES`.
    """
    if not link.has_pin:
        return None
    counted = connection.execute(
        update(links)
        .where(links.c.id == link.id, links.c.wrong_pins < PIN_TRIES)
        .values(wrong_pins=links.c.wrong_pins + 1)
        .returning(links.c.wrong_pins, links.c.pin_hash)
    ).one_or_none()
    if counted is None:
        return LinkRevoked("This link is no longer valid. Ask the person who sent it for a new one.")
    tries, kept = counted
    if hmac.compare_digest(kept, hash_pin(link.id, pin)):
        connection.execute(update(links).where(links.c.id == link.id).values(wrong_pins=0))
        return None
    left = PIN_TRIES - int(tries)
    if left <= 0:
        return LinkRevoked("This link is no longer valid. Ask the person who sent it for a new one.")
    return PinWrong(Sentence("This PIN is wrong; {left} tries are left.", left=left), left=left)


def use_link(connection: Connection, link_id: str, now: datetime) -> bool:
    """Note that what the link was for is done; False where it was noted before."""
    used = connection.execute(
        update(links).where(links.c.id == link_id, links.c.used_at.is_(None)).values(used_at=now)
    )
    return used.rowcount == 1


def revoke_links(connection: Connection, kind: LinkKind, subject: str, now: datetime) -> int:
    """Take back every open link to this; how many there were."""
    taken = connection.execute(
        update(links)
        .where(
            links.c.kind == kind,
            links.c.subject == subject,
            links.c.revoked_at.is_(None),
            links.c.used_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return taken.rowcount


def links_of(connection: Connection, kind: LinkKind, subject: str) -> list[Link]:
    """Every link to this, the newest first."""
    rows = connection.execute(
        select(links)
        .where(links.c.kind == kind, links.c.subject == subject)
        .order_by(links.c.id.desc())
        .limit(100)
    ).mappings()
    return [_link(row) for row in rows]

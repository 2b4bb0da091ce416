"""The demo's installation, prepared again and again in the same folder."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

from config.site import Site
from storage import tokens
from storage.database import Database


def prepared(folder: Path) -> Site:
    site = Site(folder=folder, cache=folder / "cache")
    site.prepare(sample=False)
    return site


def good(site: Site) -> list[str]:
    """Ids of the tokens that open something."""
    database = Database(site.settings.database_url, readers=1, writers=1)
    try:
        found = database.read_now(tokens.list_tokens)
    finally:
        database.close()
    return [token.id for token in found if token.is_good_at(datetime.now(UTC))]


def revoke(site: Site, token: str) -> None:
    database = Database(site.settings.database_url, readers=1, writers=1)
    database.write_now(lambda connection: tokens.revoke_token(connection, token, now=datetime.now(UTC)))
    database.close()


def test_every_start_uses_the_one_token(tmp_path: Path) -> None:
    """Each start of the demo left another good token behind."""
    first = prepared(tmp_path)
    [token] = good(first)
    again = prepared(tmp_path)
    assert (again.token, good(again)) == (first.token, [token])
    assert stat.S_IMODE((tmp_path / "site.token").stat().st_mode) == 0o600
    # Revoked by somebody, or by a restore: a new one, and still one.
    revoke(again, token)
    third = prepared(tmp_path)
    assert third.token != first.token
    [other] = good(third)
    assert other != token
    # The file is lost: the token that nobody knows any more opens nothing.
    (tmp_path / "site.token").unlink()
    fourth = prepared(tmp_path)
    assert len(good(fourth)) == 1
    assert good(fourth) != [other]

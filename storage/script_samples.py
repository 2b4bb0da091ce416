"""Scripts in work at the sample dealership: one waits for a second person."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml
from sqlalchemy import Connection, select

from access.permissions import Role
from access.users import Principal, Via
from crm.scripts.states import ScriptNotFound
from crm.versions import VersionStep
from storage import script_versions
from storage.tables.access import users

SHIPPED: Final = Path(__file__).resolve().parents[1] / "config" / "sample" / "scripts.yaml"
_LANGUAGES: Final = ("zh-CN", "en")


def load(connection: Connection, now: datetime, path: Path = SHIPPED) -> int:
    """Write and submit the sample's versions; how many. Scripts that were worked on already are left alone."""
    made = 0
    for row in yaml.safe_load(path.read_text("utf-8")):
        user = connection.execute(
            select(users.c.id, users.c.name, users.c.role).where(users.c.login == row["by"])
        ).one_or_none()
        try:
            versions = script_versions.versions_of(connection, row["script"])
        except ScriptNotFound:
            continue
        if user is None or len(versions) > 1:
            continue
        by = Principal(role=Role(user.role), via=Via.SESSION, name=user.name, user_id=user.id, proof_id="")
        body: dict[str, Any] = deepcopy(dict(versions[0].body))
        for language in _LANGUAGES:
            steps = body["steps"][language]
            for place, texts in row["texts"].items():
                steps[place]["text"] = texts[language]
            steps.insert(-1, {"kind": row["added"]["kind"], "text": row["added"][language]})
        draft = script_versions.begin_draft(connection, row["script"], body=body, by=by, now=now)
        script_versions.take_step(
            connection,
            row["script"],
            draft.version,
            VersionStep.SUBMIT,
            revision=draft.revision,
            by=by,
            why=row["why"],
            now=now,
        )
        made += 1
    return made

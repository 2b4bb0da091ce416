"""Questionnaires: every version with its state, its text and its history; only approved ones are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.definitions import read
from crm.surveys.questionnaires import Purpose, Questionnaire
from crm.surveys.responses import QuestionnaireChanged, QuestionnaireNotFound
from crm.surveys.states import VersionEvent, VersionRow, VersionState, VersionStep, next_state
from storage.definitions import inserting
from storage.tables.surveys import questionnaire_events, questionnaires, responses

#: Most questionnaires a list shows; a house has a dozen.
_MOST: Final = 500
_HOUSE: Final = "Careline"


def _row(row: RowMapping, history: Sequence[VersionEvent] = ()) -> VersionRow:
    return VersionRow(
        code=row["code"],
        version=row["version"],
        state=VersionState(row["state"]),
        purpose=Purpose(row["purpose"]),
        label=row["label"],
        body=row["body"],
        revision=row["revision"],
        at=row["at"],
        by=row["by"],
        by_name=row["by_name"],
        history=history,
    )


def list_versions(connection: Connection) -> list[VersionRow]:
    """Of each questionnaire the version that is asked and the newest one, the newest first; without history."""
    newest = (
        select(questionnaires.c.code, func.max(questionnaires.c.version).label("version"))
        .group_by(questionnaires.c.code)
        .subquery()
    )
    rows = connection.execute(
        select(questionnaires)
        .join(newest, newest.c.code == questionnaires.c.code)
        .where(
            (questionnaires.c.version == newest.c.version)
            | (questionnaires.c.state == VersionState.APPROVED.value)
        )
        .order_by(questionnaires.c.purpose, questionnaires.c.code, questionnaires.c.version.desc())
        .limit(_MOST)
    ).mappings()
    return [_row(row) for row in rows]


def versions_of(connection: Connection, code: str) -> list[VersionRow]:
    """Every version with its history, the newest first. Raises QuestionnaireNotFound."""
    events: dict[int, list[VersionEvent]] = {}
    for one in connection.execute(
        select(questionnaire_events)
        .where(questionnaire_events.c.code == code)
        .order_by(questionnaire_events.c.id)
    ).mappings():
        events.setdefault(one["version"], []).append(
            VersionEvent(
                at=one["at"],
                step=VersionStep(one["step"]),
                by=one["by"],
                by_name=one["by_name"],
                why=one["why"],
            )
        )
    rows = connection.execute(
        select(questionnaires)
        .where(questionnaires.c.code == code)
        .order_by(questionnaires.c.version.desc())
        .limit(200)
    ).mappings()
    found = [_row(row, events.get(row["version"], ())) for row in rows]
    if not found:
        raise QuestionnaireNotFound("There is no such questionnaire.")
    return found


def get_version(connection: Connection, code: str, version: int, *, lock: bool = False) -> VersionRow:
    """One version, without its history. Raises QuestionnaireNotFound."""
    statement = select(questionnaires).where(
        questionnaires.c.code == code, questionnaires.c.version == version
    )
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise QuestionnaireNotFound("There is no such version of the questionnaire.")
    return _row(row)


def approved(connection: Connection, code: str, version: int | None = None) -> tuple[Questionnaire, int]:
    """The questionnaire that is asked now, and its version. Raises QuestionnaireNotFound.

    With `version` only that one, and only where it is approved.
    """
    statement = select(questionnaires).where(
        questionnaires.c.code == code, questionnaires.c.state == VersionState.APPROVED.value
    )
    if version is not None:
        statement = statement.where(questionnaires.c.version == version)
    row = (
        connection.execute(statement.order_by(questionnaires.c.version.desc()).limit(1))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise QuestionnaireNotFound("This questionnaire is not approved; only approved ones are asked.")
    return _read(connection, row), row["version"]


def questionnaire_of(connection: Connection, code: str, version: int) -> Questionnaire:
    """A version that was approved once, as a response keeps it. Raises QuestionnaireNotFound."""
    row = get_version(connection, code, version)
    return _parsed(code, version, row.revision, _Body(row.body))


class _Body:
    """A body as a key of the cache: the same version and revision is the same text."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Body) and self.body == other.body

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _parsed(code: str, version: int, revision: int, body: _Body) -> Questionnaire:
    return read(Questionnaire, body.body)


def _read(connection: Connection, row: RowMapping) -> Questionnaire:
    return _parsed(row["code"], row["version"], row["revision"], _Body(row["body"]))


# -- writing ------------------------------------------------------------------------------------------


def _note(
    connection: Connection,
    code: str,
    version: int,
    step: VersionStep,
    *,
    by: Principal | None,
    why: str,
    now: datetime,
) -> None:
    connection.execute(
        insert(questionnaire_events).values(
            id=new_id(now),
            code=code,
            version=version,
            at=now,
            step=step.value,
            by=by.user_id if by is not None else None,
            by_name=by.name[:64] if by is not None else _HOUSE,
            why=why.strip()[:1000],
        )
    )


def begin_draft(
    connection: Connection,
    code: str,
    *,
    purpose: Purpose,
    label: Mapping[str, str],
    body: Mapping[str, Any],
    by: Principal,
    now: datetime,
) -> VersionRow:
    """The next version as a draft, or the draft there is already. Responses with older versions go on with theirs."""
    newest = connection.execute(
        select(questionnaires)
        .where(questionnaires.c.code == code)
        .order_by(questionnaires.c.version.desc())
        .limit(1)
    ).mappings()
    last = newest.one_or_none()
    if last is not None and last["state"] in (VersionState.DRAFT, VersionState.SUBMITTED):
        return _row(last)
    version = 1 if last is None else last["version"] + 1
    try:
        with connection.begin_nested():
            connection.execute(
                insert(questionnaires).values(
                    code=code,
                    version=version,
                    state=VersionState.DRAFT.value,
                    purpose=purpose.value,
                    label=dict(label),
                    body=dict(body) | {"code": code},
                    revision=1,
                    at=now,
                    by=by.user_id,
                    by_name=by.name[:64],
                )
            )
    except IntegrityError:  # somebody was first
        return get_version(connection, code, version)
    _note(connection, code, version, VersionStep.WRITE, by=by, why="", now=now)
    return get_version(connection, code, version)


def save_draft(
    connection: Connection,
    code: str,
    version: int,
    body: Mapping[str, Any],
    *,
    purpose: Purpose,
    label: Mapping[str, str],
    revision: int,
    by: Principal,
    now: datetime,
) -> VersionRow:
    """Keep the text of a draft, finished or not.

    Raises QuestionnaireNotFound, QuestionnaireStep, QuestionnaireChanged.
    """
    before = get_version(connection, code, version, lock=True)
    next_state(before.state, VersionStep.WRITE, by=by.user_id, writers=(), why="")
    if before.revision != revision:
        if dict(before.body) == dict(body):
            return before  # the answer to the same saving was lost
        raise QuestionnaireChanged(
            Sentence(
                "{holder} has saved this draft meanwhile. Nothing of yours was saved; your text is still on the page.",
                holder=before.by_name or SOMEBODY,
            ),
            holder=before.by_name,
            revision=before.revision,
        )
    connection.execute(
        update(questionnaires)
        .where(questionnaires.c.code == code, questionnaires.c.version == version)
        .values(
            body=dict(body) | {"code": code},
            purpose=purpose.value,
            label=dict(label),
            revision=before.revision + 1,
            at=now,
            by=by.user_id,
            by_name=by.name[:64],
        )
    )
    last = connection.execute(
        select(questionnaire_events.c.step, questionnaire_events.c.by)
        .where(questionnaire_events.c.code == code, questionnaire_events.c.version == version)
        .order_by(questionnaire_events.c.id.desc())
        .limit(1)
    ).first()
    # One line however often the same person saves.
    if last is None or last.step != VersionStep.WRITE.value or last.by != by.user_id:
        _note(connection, code, version, VersionStep.WRITE, by=by, why="", now=now)
    return get_version(connection, code, version)


def take_step(
    connection: Connection,
    code: str,
    version: int,
    step: VersionStep,
    *,
    revision: int | None,
    by: Principal,
    why: str,
    now: datetime,
) -> VersionRow:
    """Submit, take back, send back, approve, retire or discard. What is approved replaces what was asked before.

    `revision` is the text the person decided on. Raises QuestionnaireNotFound, QuestionnaireStep, QuestionnaireChanged.
    """
    before = get_version(connection, code, version, lock=True)
    writers = set(
        connection.execute(
            select(questionnaire_events.c.by).where(
                questionnaire_events.c.code == code,
                questionnaire_events.c.version == version,
                questionnaire_events.c.step.in_((VersionStep.WRITE.value, VersionStep.SUBMIT.value)),
                questionnaire_events.c.by.is_not(None),
            )
        ).scalars()
    )
    state = next_state(before.state, step, by=by.user_id, writers=writers, why=why)
    if revision is not None and revision != before.revision:
        raise QuestionnaireChanged(
            Sentence(
                "{holder} has changed the text since you read it. Nothing was done; look at it again.",
                holder=before.by_name or SOMEBODY,
            ),
            holder=before.by_name,
            revision=before.revision,
        )
    if step is VersionStep.APPROVE:
        _replace(connection, code, by=by, now=now, why=f"v{version}")
    _set(connection, code, version, state)
    _note(connection, code, version, step, by=by, why=why, now=now)
    return replace(before, state=state)


def _replace(connection: Connection, code: str, *, by: Principal | None, now: datetime, why: str) -> None:
    asked = connection.execute(
        select(questionnaires.c.version)
        .where(questionnaires.c.code == code, questionnaires.c.state == VersionState.APPROVED.value)
        .with_for_update()
    ).scalars()
    for older in asked.all():
        _set(connection, code, older, VersionState.RETIRED)
        _note(connection, code, older, VersionStep.REPLACE, by=by, why=why, now=now)


def _set(connection: Connection, code: str, version: int, state: VersionState) -> None:
    connection.execute(
        update(questionnaires)
        .where(questionnaires.c.code == code, questionnaires.c.version == version)
        .values(state=state.value)
    )


def seed(connection: Connection, questionnaire: Questionnaire, now: datetime) -> bool:
    """Version 1 of a questionnaire the database does not have, approved by the installation."""
    row = inserting(connection, questionnaires).values(
        code=questionnaire.code,
        version=1,
        state=VersionState.APPROVED.value,
        purpose=questionnaire.purpose.value,
        label=dict(questionnaire.label),
        body=questionnaire.model_dump(mode="json"),
        revision=1,
        at=now,
        by=None,
        by_name=_HOUSE,
    )
    added = connection.execute(row.on_conflict_do_nothing().returning(questionnaires.c.code))
    if added.scalar_one_or_none() is None:
        return False
    for step in (VersionStep.WRITE, VersionStep.APPROVE):
        _note(connection, questionnaire.code, 1, step, by=None, why="", now=now)
    return True


def begun_with(connection: Connection, code: str, version: int, *, most: int = 1000) -> int:
    """How many responses were begun with a version, counted up to `most`."""
    some = (
        select(responses.c.id)
        .where(responses.c.questionnaire == code, responses.c.version == version)
        .limit(most)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(some)).scalar_one()

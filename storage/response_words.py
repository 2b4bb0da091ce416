"""What customers wrote in surveys, taken out of the answers; figures stay.

An answer in words stands in `body` like a choice or a mark does, and one word may look like a code: only the version of
the questionnaire that was asked says which it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, select, update

from crm.surveys.questionnaires import QuestionKind
from storage.tables.surveys import questionnaires, response_answers, response_scores, responses

_NOTHING: Final = {"value": None}
_AT_ONCE: Final = 400


def forget_words(connection: Connection, response_ids: Collection[str]) -> None:
    """Answers to questions that ask for words say nothing any more; all else of these responses stays."""
    ids = sorted(response_ids)
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        asked = select(responses.c.id, responses.c.questionnaire, responses.c.version)
        by_version: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for row in connection.execute(asked.where(responses.c.id.in_(some))):
            by_version[row.questionnaire, row.version].append(row.id)
        for (code, version), theirs in by_version.items():
            written = _asks_for_words(connection, code, version)
            for table in (response_answers, response_scores):
                gone = update(table).where(table.c.response_id.in_(theirs)).values(body=_NOTHING)
                if written is not None:
                    gone = gone.where(table.c.question.in_(written))
                connection.execute(gone)


def _asks_for_words(connection: Connection, code: str, version: int) -> list[str] | None:
    """Codes of the questions that ask for words; None: nobody knows any more what was asked."""
    body = connection.execute(
        select(questionnaires.c.body).where(
            questionnaires.c.code == code, questionnaires.c.version == version
        )
    ).scalar_one_or_none()
    questions = body.get("questions") if isinstance(body, dict) else None
    if not isinstance(questions, list):
        return None
    return [str(one.get("code")) for one in questions if one.get("kind") == QuestionKind.TEXT]

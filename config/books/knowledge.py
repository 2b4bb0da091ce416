"""Articles, over the database: who may not write sees what is approved and holds today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

import yaml
from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import Permission
from access.users import Principal
from config.books.registrations import read_cursor
from crm.knowledge.articles import Article, ArticleNotFound, ArticleState, Hit
from storage import audit, knowledge
from storage.database import Database
from web.ports.aftercall import ArticlePage

#: Articles of the sample dealership.
SAMPLE: Final = Path(__file__).resolve().parents[1] / "sample" / "articles.yaml"


def load_sample(connection: Connection, now: datetime, path: Path = SAMPLE) -> int:
    """The sample's articles, approved, where there is no article yet; returns how many were added."""
    if knowledge.count(connection):
        return 0
    found = yaml.safe_load(path.read_text("utf-8"))
    for one in found:
        knowledge.add(
            connection,
            title=one["title"],
            body=one["body"],
            tags=one["tags"],
            language=one["language"],
            valid_until=one.get("valid_until"),
            now=now,
            by=None,
            by_name=one["approved_by"],
            approved=True,
        )
    return len(found)


class KnowledgeBook:
    """`web.ports.aftercall.Knowledge` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self, viewer: Principal, text: str, *, language: str | None, today: date, limit: int
    ) -> Sequence[Hit]:
        return await self._database.read(
            lambda connection: knowledge.search(connection, text, today=today, language=language, limit=limit)
        )

    async def list(
        self, viewer: Principal, *, state: ArticleState | None, today: date, cursor: str | None, limit: int
    ) -> ArticlePage:
        after = read_cursor(cursor)
        writes = viewer.may(Permission.KNOWLEDGE_WRITE)

        def work(connection: Connection) -> ArticlePage:
            found = knowledge.listed(
                connection,
                state=state if writes else ArticleState.APPROVED,
                today=today,
                only_holding=not writes,
                after=after,
                limit=limit + 1,
            )
            kept = found[:limit]
            following = f"{kept[-1].updated_at.isoformat()}~{kept[-1].id}" if len(found) > limit else None
            return ArticlePage(items=kept, next=following)

        return await self._database.read(work)

    async def get(self, viewer: Principal, article_id: str, today: date) -> Article:
        article = await self._database.read(lambda connection: knowledge.get(connection, article_id))
        if not article.holds_on(today) and not viewer.may(Permission.KNOWLEDGE_WRITE):
            raise ArticleNotFound("There is no such article for you, or it does not hold any more.")
        return article

    async def write(
        self,
        viewer: Principal,
        article_id: str | None,
        *,
        based_on: int,
        title: str,
        body: str,
        tags: Sequence[str],
        language: Literal["zh-CN", "en"],
        valid_until: date | None,
        entry: Entry,
    ) -> Article:
        def work(connection: Connection) -> Article:
            if article_id is None:
                article = knowledge.add(
                    connection,
                    title=title,
                    body=body,
                    tags=tags,
                    language=language,
                    valid_until=valid_until,
                    now=entry.at,
                    by=viewer.user_id,
                    by_name=viewer.name,
                )
            else:
                article = knowledge.change(
                    connection,
                    article_id,
                    based_on=based_on,
                    title=title,
                    body=body,
                    tags=tags,
                    language=language,
                    valid_until=valid_until,
                    now=entry.at,
                    by=viewer.user_id,
                    by_name=viewer.name,
                )
            audit.append(connection, entry)
            return article

        return await self._database.write(work)

    async def approve(self, viewer: Principal, article_id: str, *, based_on: int, entry: Entry) -> Article:
        def work(connection: Connection) -> Article:
            article = knowledge.approve(
                connection,
                article_id,
                based_on=based_on,
                now=entry.at,
                by=viewer.user_id,
                by_name=viewer.name,
            )
            audit.append(connection, entry)
            return article

        return await self._database.write(work)

    async def retire(self, viewer: Principal, article_id: str, *, based_on: int, entry: Entry) -> Article:
        def work(connection: Connection) -> Article:
            article = knowledge.retire(
                connection,
                article_id,
                based_on=based_on,
                now=entry.at,
                by=viewer.user_id,
                by_name=viewer.name,
            )
            audit.append(connection, entry)
            return article

        return await self._database.write(work)

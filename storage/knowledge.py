"""Articles: rows, every version of them, and the words they are found by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, update

from access.ids import new_id
from access.sentences import Sentence
from crm.knowledge.articles import (
    Article,
    ArticleChanged,
    ArticleNotFound,
    ArticleState,
    Hit,
    check,
    excerpt,
    wanted,
    weights,
)
from storage.tables.aftercall import article_versions, article_words, articles

Language = Literal["zh-CN", "en"]


def article_from(row: RowMapping) -> Article:
    """The value of a row that holds every column of `articles`."""
    return Article(**{**row, "state": ArticleState(row["state"]), "tags": tuple(row["tags"])})


def get(connection: Connection, article_id: str) -> Article:
    """One article. Raises ArticleNotFound."""
    row = connection.execute(select(articles).where(articles.c.id == article_id)).mappings().first()
    if row is None:
        raise ArticleNotFound("There is no such article.")
    return article_from(row)


def listed(
    connection: Connection,
    *,
    state: ArticleState | None,
    today: date,
    only_holding: bool,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Article]:
    """Articles, last changed first."""
    statement = select(articles)
    if state is not None:
        statement = statement.where(articles.c.state == state)
    if only_holding:
        statement = statement.where(*_holding(today))
    if after is not None:
        statement = statement.where(
            or_(
                articles.c.updated_at < after[0],
                (articles.c.updated_at == after[0]) & (articles.c.id < after[1]),
            )
        )
    rows = connection.execute(
        statement.order_by(articles.c.updated_at.desc(), articles.c.id.desc()).limit(limit)
    ).mappings()
    return [article_from(row) for row in rows]


def _holding(today: date) -> tuple[Any, ...]:
    return (
        articles.c.state == ArticleState.APPROVED,
        or_(articles.c.valid_until.is_(None), articles.c.valid_until >= today),
    )


def search(
    connection: Connection,
    text: str,
    *,
    today: date,
    language: str | None = None,
    only_holding: bool = True,
    limit: int = 20,
) -> list[Hit]:
    """Articles that have every word of `text`, best first: in the title, in a tag, in the text.

    Articles in `language` go before others. Nothing where the text holds no letter.
    """
    looked_for = wanted(text)
    if not looked_for:
        return []
    parts = [
        select(article_words.c.article_id, article_words.c.weight).where(article_words.c.word == word)
        for word in sorted(looked_for.whole)
    ]
    parts += [
        select(article_words.c.article_id, func.max(article_words.c.weight).label("weight"))
        .where(article_words.c.word >= word, article_words.c.word < word + "\U0010ffff")
        .group_by(article_words.c.article_id)
        for word in sorted(looked_for.begins)
    ]
    statement = select(articles)
    total: Any = 0
    for part in parts:
        found = part.subquery()
        statement = statement.join(found, found.c.article_id == articles.c.id)
        total = total + found.c.weight
    if only_holding:
        statement = statement.where(*_holding(today))
    order = [total.desc(), articles.c.updated_at.desc(), articles.c.id.desc()]
    if language:
        order.insert(0, (articles.c.language == language).desc())
    rows = connection.execute(statement.order_by(*order).limit(limit)).mappings()
    return [
        Hit(
            id=row["id"],
            language=row["language"],
            title=row["title"],
            tags=tuple(row["tags"]),
            excerpt=excerpt(row["body"], text),
            valid_until=row["valid_until"],
            updated_at=row["updated_at"],
            approved_by_name=row["approved_by_name"],
        )
        for row in rows
    ]


def add(
    connection: Connection,
    *,
    title: str,
    body: str,
    tags: Sequence[str],
    language: Language,
    valid_until: date | None,
    now: datetime,
    by: str | None,
    by_name: str,
    approved: bool = False,
) -> Article:
    """A new article; a draft unless it is approved with it. Raises BadArticle."""
    title, body, tags = check(title, body, tags)
    article_id = new_id(now)
    connection.execute(
        insert(articles).values(
            id=article_id,
            language=language,
            title=title,
            body=body,
            tags=list(tags),
            state=ArticleState.APPROVED if approved else ArticleState.DRAFT,
            valid_until=valid_until,
            version=1,
            created_at=now,
            updated_at=now,
            updated_by=by,
            updated_by_name=by_name[:64],
            approved_at=now if approved else None,
            approved_by=by if approved else None,
            approved_by_name=by_name[:64] if approved else "",
        )
    )
    return _written(connection, article_id)


def change(
    connection: Connection,
    article_id: str,
    *,
    based_on: int,
    title: str,
    body: str,
    tags: Sequence[str],
    language: Language,
    valid_until: date | None,
    now: datetime,
    by: str | None,
    by_name: str,
) -> Article:
    """Another version, which is a draft until it is approved. Raises ArticleNotFound, ArticleChanged, BadArticle."""
    title, body, tags = check(title, body, tags)
    return _step(
        connection,
        article_id,
        based_on,
        now,
        by,
        by_name,
        title=title,
        body=body,
        tags=list(tags),
        language=language,
        valid_until=valid_until,
        state=ArticleState.DRAFT,
        approved_at=None,
        approved_by=None,
        approved_by_name="",
    )


def approve(
    connection: Connection, article_id: str, *, based_on: int, now: datetime, by: str | None, by_name: str
) -> Article:
    """The article may be told to customers from now on. Raises ArticleNotFound, ArticleChanged."""
    return _step(
        connection,
        article_id,
        based_on,
        now,
        by,
        by_name,
        state=ArticleState.APPROVED,
        approved_at=now,
        approved_by=by,
        approved_by_name=by_name[:64],
    )


def retire(
    connection: Connection, article_id: str, *, based_on: int, now: datetime, by: str | None, by_name: str
) -> Article:
    """The article is shown to nobody who does not look for old ones. Raises ArticleNotFound, ArticleChanged."""
    return _step(connection, article_id, based_on, now, by, by_name, state=ArticleState.RETIRED)


def _step(
    connection: Connection,
    article_id: str,
    based_on: int,
    now: datetime,
    by: str | None,
    by_name: str,
    **values: Any,
) -> Article:
    changed = connection.execute(
        update(articles)
        .where(articles.c.id == article_id, articles.c.version == based_on)
        .values(version=based_on + 1, updated_at=now, updated_by=by, updated_by_name=by_name[:64], **values)
    ).rowcount
    if not changed:
        there = get(connection, article_id)
        raise ArticleChanged(
            Sentence(
                "{holder} has saved another version meanwhile. Nothing was saved; look at it first.",
                holder=there.updated_by_name,
            ),
            holder=there.updated_by_name,
        )
    return _written(connection, article_id)


def _written(connection: Connection, article_id: str) -> Article:
    """Keep the version as it is now and index its words."""
    article = get(connection, article_id)
    connection.execute(
        insert(article_versions).values(
            article_id=article.id,
            version=article.version,
            at=article.updated_at,
            by=article.updated_by,
            by_name=article.updated_by_name,
            state=article.state,
            title=article.title,
            body=article.body,
            tags=list(article.tags),
            valid_until=article.valid_until,
        )
    )
    connection.execute(delete(article_words).where(article_words.c.article_id == article_id))
    rows = [
        {"word": word, "article_id": article_id, "weight": weight}
        for word, weight in weights(article.title, article.tags, article.body).items()
    ]
    if rows:
        connection.execute(insert(article_words), rows)
    return article


def versions(connection: Connection, article_id: str) -> list[RowMapping]:
    """Every version of an article, the newest first, as rows of `article_versions`."""
    return list(
        connection.execute(
            select(article_versions)
            .where(article_versions.c.article_id == article_id)
            .order_by(article_versions.c.version.desc())
            .limit(100)
        ).mappings()
    )


def count(connection: Connection) -> int:
    """How many articles there are, in any state."""
    return connection.execute(select(func.count()).select_from(articles)).scalar_one()

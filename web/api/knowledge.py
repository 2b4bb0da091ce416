"""What the house knows: articles searched in a call, written and approved by those who may."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.users import Language
from crm.knowledge.articles import (
    LONGEST_BODY,
    LONGEST_TAG,
    LONGEST_TITLE,
    MOST_TAGS,
    Article,
    ArticleState,
)
from web.api.shapes import Cursor, Search, Size
from web.ports import Services
from web.routes import Ask, Nothing, Route, Shape


class KnowledgeQuery(Shape):
    search: Search = Field("", description="two Chinese characters or the beginning of a word are enough")
    language: Language | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class ArticlesQuery(Shape):
    state: ArticleState | None = Field(None, description="null: all; agents get approved ones only")
    cursor: Cursor | None = None
    limit: Size = 50


class HitOut(Shape):
    id: str
    language: str
    title: str
    tags: list[str]
    excerpt: str
    valid_until: date | None
    updated_at: datetime
    approved_by_name: str


class HitsOut(Shape):
    items: list[HitOut]


class ArticleOut(Shape):
    id: str
    language: Language
    title: str
    body: str = Field(description="a safe subset of Markdown")
    tags: list[str]
    state: ArticleState
    valid_until: date | None
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by_name: str
    approved_at: datetime | None
    approved_by_name: str


class ArticlesOut(Shape):
    items: list[ArticleOut]
    next: str | None


class ArticleIn(Shape):
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TITLE)]
    body: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_BODY)]
    tags: Annotated[
        list[Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_TAG)]],
        Field(max_length=MOST_TAGS),
    ] = Field(default_factory=list)
    language: Language = "zh-CN"
    valid_until: date | None = None


class ArticleChangeIn(ArticleIn):
    based_on: int = Field(ge=1, description="the version that was read")


class BasedOnIn(Shape):
    based_on: int = Field(ge=1, description="the version that was read")


def today(services: Services) -> date:
    """The day at the house."""
    return services.clock.now().astimezone(ZoneInfo(services.zone)).date()


def article_out(article: Article) -> ArticleOut:
    """As the API shows it."""
    return ArticleOut(
        **{name: getattr(article, name) for name in ArticleOut.model_fields if name != "tags"},
        tags=list(article.tags),
    )


async def search_knowledge(ask: Ask[KnowledgeQuery, Nothing]) -> HitsOut:
    """Articles that have every word, best first."""
    found = await ask.services.aftercall.knowledge.search(
        ask.by,
        ask.query.search,
        language=ask.query.language,
        today=today(ask.services),
        limit=ask.query.limit,
    )
    return HitsOut(
        items=[
            HitOut(
                **{name: getattr(hit, name) for name in HitOut.model_fields if name != "tags"},
                tags=list(hit.tags),
            )
            for hit in found
        ]
    )


async def list_articles(ask: Ask[ArticlesQuery, Nothing]) -> ArticlesOut:
    """Articles, last changed first."""
    page = await ask.services.aftercall.knowledge.list(
        ask.by,
        state=ask.query.state,
        today=today(ask.services),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )
    return ArticlesOut(items=[article_out(one) for one in page.items], next=page.next)


async def get_article(ask: Ask[Nothing, Nothing]) -> ArticleOut:
    """One article."""
    found = await ask.services.aftercall.knowledge.get(ask.by, ask.path["article_id"], today(ask.services))
    return article_out(found)


async def add_article(ask: Ask[Nothing, ArticleIn]) -> ArticleOut:
    """A new article, as a draft."""
    return await _write(ask, None, 0, ask.body)


async def change_article(ask: Ask[Nothing, ArticleChangeIn]) -> ArticleOut:
    """Another version of an article, as a draft."""
    return await _write(ask, ask.path["article_id"], ask.body.based_on, ask.body)


async def _write(
    ask: Ask[Nothing, ArticleIn] | Ask[Nothing, ArticleChangeIn],
    article_id: str | None,
    based_on: int,
    body: ArticleIn,
) -> ArticleOut:
    entry = ask.entry(Action.ARTICLE_CHANGED, f"article:{article_id or 'new'}", {"title": body.title})
    written = await ask.services.aftercall.knowledge.write(
        ask.by,
        article_id,
        based_on=based_on,
        title=body.title,
        body=body.body,
        tags=body.tags,
        language=body.language,
        valid_until=body.valid_until,
        entry=entry,
    )
    return article_out(written)


async def approve_article(ask: Ask[Nothing, BasedOnIn]) -> ArticleOut:
    """The article may be told to customers."""
    article_id = ask.path["article_id"]
    entry = ask.entry(Action.ARTICLE_CHANGED, f"article:{article_id}", {"state": "approved"})
    approved = await ask.services.aftercall.knowledge.approve(
        ask.by, article_id, based_on=ask.body.based_on, entry=entry
    )
    return article_out(approved)


async def retire_article(ask: Ask[Nothing, BasedOnIn]) -> ArticleOut:
    """The article is shown to agents no more."""
    article_id = ask.path["article_id"]
    entry = ask.entry(Action.ARTICLE_CHANGED, f"article:{article_id}", {"state": "retired"})
    retired = await ask.services.aftercall.knowledge.retire(
        ask.by, article_id, based_on=ask.body.based_on, entry=entry
    )
    return article_out(retired)


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/knowledge",
        summary="Search what the house knows",
        needs=Permission.KNOWLEDGE_READ,
        json=search_knowledge,
        query=KnowledgeQuery,
        answer=HitsOut,
        tag="knowledge",
    ),
    Route(
        method="GET",
        path="/api/v1/articles",
        summary="List articles",
        needs=Permission.KNOWLEDGE_READ,
        json=list_articles,
        query=ArticlesQuery,
        answer=ArticlesOut,
        errors=("bad-cursor",),
        tag="knowledge",
    ),
    Route(
        method="POST",
        path="/api/v1/articles",
        summary="Write an article",
        needs=Permission.KNOWLEDGE_WRITE,
        json=add_article,
        body=ArticleIn,
        answer=ArticleOut,
        status=201,
        errors=("bad-article",),
        tag="knowledge",
    ),
    Route(
        method="GET",
        path="/api/v1/articles/{article_id}",
        summary="One article",
        needs=Permission.KNOWLEDGE_READ,
        json=get_article,
        answer=ArticleOut,
        errors=("article-not-found",),
        tag="knowledge",
    ),
    Route(
        method="POST",
        path="/api/v1/articles/{article_id}",
        summary="Change an article",
        needs=Permission.KNOWLEDGE_WRITE,
        json=change_article,
        body=ArticleChangeIn,
        answer=ArticleOut,
        errors=("article-not-found", "article-changed", "bad-article"),
        tag="knowledge",
    ),
    Route(
        method="POST",
        path="/api/v1/articles/{article_id}/approve",
        summary="Approve an article",
        needs=Permission.KNOWLEDGE_WRITE,
        json=approve_article,
        body=BasedOnIn,
        answer=ArticleOut,
        errors=("article-not-found", "article-changed"),
        tag="knowledge",
    ),
    Route(
        method="POST",
        path="/api/v1/articles/{article_id}/retire",
        summary="Retire an article",
        needs=Permission.KNOWLEDGE_WRITE,
        json=retire_article,
        body=BasedOnIn,
        answer=ArticleOut,
        errors=("article-not-found", "article-changed"),
        tag="knowledge",
    ),
)

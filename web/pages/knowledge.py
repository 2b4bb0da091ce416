"""What the house knows: found, read, written and approved."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from access.permissions import Permission
from access.users import LANGUAGES
from crm.knowledge.articles import Article, ArticleState
from crm.knowledge.markdown import read
from web.api.knowledge import article_out, today
from web.api.shapes import Cursor, Search
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route, Shape

_SHOWN = 50


class KnowledgePageQuery(Shape):
    """What the address of the page keeps."""

    search: Search = ""
    state: ArticleState | Literal[""] = ""
    cursor: Cursor | None = None


async def show_knowledge(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list, or what was found."""
    services = request.app[SERVICES]
    by = signed.principal
    query = read_query(KnowledgePageQuery, request)
    day = today(services)
    language = signed.session.user.language if signed.session else language_of(request)
    knowledge = services.aftercall.knowledge
    hits, items, following = None, [], None
    if query.search:
        hits = await knowledge.search(by, query.search, language=language, today=day, limit=_SHOWN)
    else:
        page = await knowledge.list(
            by, state=query.state or None, today=day, cursor=query.cursor, limit=_SHOWN
        )
        items, following = list(page.items), page.next
    return show(
        request,
        signed,
        "knowledge/list.html",
        here="knowledge",
        sheets=("aftercall.css",),
        values={
            "hits": hits,
            "items": items,
            "next": following,
            "query": {"search": query.search, "state": query.state},
            "states": [state.value for state in ArticleState],
            "writes": by.may(Permission.KNOWLEDGE_WRITE),
            "today": day,
        },
    )


async def show_article(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One article, as it is told to customers. Raises ArticleNotFound."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    day = today(services)
    found = await services.aftercall.knowledge.get(signed.principal, request.match_info["article_id"], day)
    return show(
        request,
        signed,
        "knowledge/article.html",
        here="knowledge",
        sheets=("aftercall.css",),
        values={
            "article": found,
            "blocks": read(found.body),
            "expired": found.valid_until is not None and found.valid_until < day,
            "writes": signed.principal.may(Permission.KNOWLEDGE_WRITE),
        },
    )


async def edit_article(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The editor of an article. Raises ArticleNotFound."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    found = await services.aftercall.knowledge.get(
        signed.principal, request.match_info["article_id"], today(services)
    )
    return _editor(request, signed, found)


async def new_article(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The editor of an article that is not there yet."""
    read_query(Nothing, request)
    return _editor(request, signed, None)


def _editor(request: web.Request, signed: Signed, article: Article | None) -> web.StreamResponse:
    return show(
        request,
        signed,
        "knowledge/edit.html",
        here="knowledge",
        sheets=("aftercall.css",),
        values={
            "article": article_out(article).model_dump(mode="json") if article else None,
            "languages": LANGUAGES,
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/knowledge",
        summary="What the house knows",
        needs=Permission.KNOWLEDGE_READ,
        page=show_knowledge,
        query=KnowledgePageQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/knowledge/new",
        summary="Write an article",
        needs=Permission.KNOWLEDGE_WRITE,
        page=new_article,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/knowledge/{article_id}",
        summary="One article",
        needs=Permission.KNOWLEDGE_READ,
        page=show_article,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/knowledge/{article_id}/edit",
        summary="Change an article",
        needs=Permission.KNOWLEDGE_WRITE,
        page=edit_article,
        media="text/html",
    ),
)

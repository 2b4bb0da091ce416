"""Lists and reports: rows behind figures, the day's problems, the maker's list, work reports, written reports."""

from __future__ import annotations

from web.api.reports import documents, lists, maker, problems, work

ROUTES = (*lists.ROUTES, *problems.ROUTES, *maker.ROUTES, *work.ROUTES, *documents.ROUTES)

"""`web.ports.reports.Reports` over the database: one book of five parts."""

from __future__ import annotations

from config.books.reports.book import HOUSE
from config.books.reports.documents import WrittenReports
from config.books.reports.maker import MakerReports
from config.books.reports.problems import ProblemReports
from config.books.reports.work import WorkReports


class ReportBook(WrittenReports, ProblemReports, MakerReports, WorkReports):
    """Lists and reports; the lists come with what is written from them."""


__all__ = ["HOUSE", "ReportBook"]

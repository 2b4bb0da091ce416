"""Credit of customers: a grade, and a reason for every change of it (M-063, M-064)."""

from __future__ import annotations

from enum import StrEnum

from access.sentences import Sentence
from crm.records.customers import BadRecord


class CreditGrade(StrEnum):
    """How far the house gives credit, best first."""

    AAA = "AAA"
    AA = "AA"
    A = "A"
    B = "B"
    C = "C"  # pays before delivery


def check_credit(grade: str | None, why: str) -> CreditGrade | None:
    """The grade. Raises BadRecord where it is none, or nobody said why."""
    if not why.strip():
        raise BadRecord("A change of the credit grade needs a reason.", field="why")
    if grade is None:
        return None
    try:
        return CreditGrade(grade)
    except ValueError as error:
        raise BadRecord(
            Sentence("'{value}' is no credit grade.", value=grade[:8]), field="credit_grade"
        ) from error

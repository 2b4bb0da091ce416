"""What the house sets about cases: deadlines in working minutes, reminders, how far back a repeat is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from crm.cases.cases import CaseKind, Grade


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """Working minutes until the customer has a first answer, and until the matter is solved."""

    answer: int
    solve: int


def _ladder(*pairs: tuple[int, int]) -> Mapping[Grade, Allowance]:
    return MappingProxyType(
        {grade: Allowance(answer=one[0], solve=one[1]) for grade, one in zip(Grade, pairs, strict=True)}
    )


#: By kind: ordinary, escalated, major. A day has 480 working minutes.
ALLOWANCES: Final[Mapping[CaseKind, Mapping[Grade, Allowance]]] = MappingProxyType(
    {
        CaseKind.COMPLAINT: _ladder((480, 2400), (240, 1440), (120, 960)),
        CaseKind.GRUMBLE: _ladder((480, 2400), (240, 1440), (120, 960)),
        CaseKind.INQUIRY: _ladder((480, 480), (240, 240), (120, 120)),
        CaseKind.SUGGESTION: _ladder((1440, 1440), (960, 960), (480, 480)),
        CaseKind.PRAISE: _ladder((1440, 1440), (960, 960), (480, 480)),
    }
)

#: Departments a case can be handed to, by their names.
DEPARTMENTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "sales": {"zh-CN": "销售部", "en": "Sales"},
        "service": {"zh-CN": "售后服务部", "en": "Service"},
        "parts": {"zh-CN": "配件部", "en": "Parts"},
        "finance": {"zh-CN": "财务部", "en": "Finance"},
        "quality": {"zh-CN": "质量部", "en": "Quality"},
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The house's rules of cases (`crm.options.CaseOptions`)."""

    number: str = "TS{year}-{serial:06d}"
    departments: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: DEPARTMENTS)
    allowances: Mapping[CaseKind, Mapping[Grade, Allowance]] = field(default_factory=lambda: ALLOWANCES)
    #: Working minutes until a registered case is handed over, and until a department accepts it.
    assign_minutes: int = 60
    accept_minutes: int = 120
    #: Working minutes until the customer is told a plan after the department replied.
    tell_minutes: int = 240
    #: Working days after what was agreed is carried out until the second visit; between two tries: one.
    visit_days: int = 2
    #: Working minutes until a satisfied customer's case is checked and archived.
    close_minutes: int = 480
    #: Working minutes before a deadline at which it is reminded of.
    remind_minutes: int = 60
    #: Working minutes after a deadline at which managers are told; supervisors are at once.
    manager_minutes: int = 240
    #: Days within which another case of the customer or vehicle is repeated.
    repeat_days: int = 90
    #: Days a department's private link is good.
    link_days: int = 14
    #: Days after closing at which the effect of a corrective action is checked, where nobody said when.
    effect_days: int = 30
    #: The house's own language: what is written into a case by itself, from answers, is in it.
    language: str = "zh-CN"

    def allowance(self, kind: CaseKind, grade: Grade) -> Allowance:
        """The working minutes of a kind and grade."""
        return self.allowances[kind][grade]

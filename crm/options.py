"""Settings of customer records and tasks, with units, ranges and help. Read only by the composition root."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crm.appointments.options import AppointmentOptions
from crm.cases import rules as case_rules
from crm.cases.cases import CaseKind
from crm.cases.rules import Allowance, Rules
from crm.consent.options import ContactabilityOptions
from crm.reports.options import ReportOptions
from telephony.options import Options


class RecordOptions(Options):
    """Customers and their numbers."""

    customer_number: Annotated[
        str, Field(pattern=r"^[0-9A-Za-z-]*(\{year\})?[0-9A-Za-z-]*\{serial(:0[1-9]d)?\}$")
    ] = Field(
        "C{serial:06d}",
        description="rule of customer numbers: letters, digits, {year} and last {serial} or {serial:06d}",
    )
    masked_searches_per_minute: int = Field(
        30,
        ge=5,
        le=1000,
        description="whole telephone numbers a person who sees them masked may search for within a minute",
    )
    agents_see: Literal["all", "own+unowned"] = Field(
        "all",
        description="customers agents see: all, or own+unowned; a call that rings at them opens its customer",
    )


class TaskOptions(Options):
    """When what callers left must be done, in minutes of working time."""

    missed_call_minutes: int = Field(
        30, ge=1, le=4800, description="a missed or abandoned call is called back"
    )
    voicemail_minutes: int = Field(60, ge=1, le=4800, description="a voicemail is listened to and answered")
    talked_seconds: float = Field(
        1.0, ge=0, le=60, description="a talk at least this long closes the caller's open tasks"
    )


class AftercallOptions(Options):
    """What is filed after a call, and who may hear what was said."""

    wrapup_extension_seconds: int = Field(60, ge=5, le=600, description="one extension of the wrap-up")
    longest_extension_seconds: int = Field(
        300, ge=0, le=3600, description="all extensions of one wrap-up together; 0: none"
    )
    agents_hear: Literal["none", "own", "all"] = Field(
        "own", description="recordings agents may hear: none, of their own calls, or all"
    )
    agents_hear_messages: Literal["none", "own", "all"] = Field(
        "own", description="voicemail agents may hear: none, of tasks they have claimed, or all"
    )
    agents_download: bool = Field(False, description="agents may save what they may hear")
    draft_days: int = Field(30, ge=1, le=365, description="what was typed and never filed is kept so long")
    correction_days: int = Field(
        7,
        ge=0,
        le=365,
        description="days an agent may correct what is filed about his calls; supervisors always may",
    )


class ListOptions(Options):
    """Lists that come in (Excel, CSV) and go out."""

    most_megabytes: int = Field(50, ge=1, le=500, description="largest file that may be imported")
    most_rows: int = Field(500_000, ge=100, le=2_000_000, description="most rows of a list")
    import_days: int = Field(30, ge=1, le=365, description="files and faults of imports are kept so long")
    export_hours: int = Field(24, ge=1, le=720, description="files of exports are kept so long")
    export_rows: int = Field(200_000, ge=100, le=1_000_000, description="most rows of an export")


class CorrectionOptions(Options):
    """Wrong data sent back to departments, and what they hand over."""

    answer_hours: float = Field(
        16.0,
        gt=0,
        le=400,
        description="working hours a department has to answer an order to correct a record",
    )
    handover_days: int = Field(
        3, ge=0, le=60, description="days after a delivery or visit within which its record must be there"
    )


class SurveyOptions(Options):
    """Surveys customers answer by a private link."""

    link_days: int = Field(
        14, ge=1, le=90, description="a customer's private link to a survey is good so long"
    )
    phone: Annotated[str, Field(pattern=r"^[0-9+ -]{0,24}$")] = Field(
        "",
        description="number the page names for questions; empty: the first of telephony.hotline.numbers",
    )


class CaseAllowance(Options):
    """Working minutes of one kind and grade of cases."""

    answer: int = Field(ge=1, le=48_000, description="working minutes until the customer has a first answer")
    solve: int = Field(ge=1, le=96_000, description="working minutes until the matter is solved")


class CaseAllowances(Options):
    """Working minutes of one kind of cases, by grade. What is not set is as Careline has it."""

    ordinary: CaseAllowance | None = None
    escalated: CaseAllowance | None = None
    major: CaseAllowance | None = None


class CaseDepartment(Options):
    """A department that answers cases."""

    label: dict[str, str] = Field(min_length=1, description="its name per language: zh-CN, en")


class CaseOptions(Options):
    """Complaints and what else customers tell us: numbers, departments, deadlines in working minutes."""

    number: Annotated[
        str,
        Field(
            pattern=r"^[0-9A-Za-z-]{0,12}(\{year\})?[0-9A-Za-z-]{0,12}\{serial(:0[1-9]d)?\}$", max_length=48
        ),
    ] = Field(
        "TS{year}-{serial:06d}",
        description="rule of case numbers: letters, digits, {year} (each year counts from 1) and last {serial}",
    )
    departments: dict[Annotated[str, Field(pattern=r"^[0-9a-z_-]{1,32}$")], CaseDepartment] = Field(
        default_factory=lambda: {
            name: CaseDepartment(label=dict(label)) for name, label in case_rules.DEPARTMENTS.items()
        },
        min_length=1,
        description="departments a case can be handed to",
    )
    allowances: dict[CaseKind, CaseAllowances] = Field(
        default_factory=dict, description="deadlines per kind and grade, in working minutes"
    )
    assign_minutes: int = Field(60, ge=1, le=4800, description="a registered case is handed to a department")
    accept_minutes: int = Field(120, ge=1, le=4800, description="a department accepts what it was handed")
    tell_minutes: int = Field(240, ge=1, le=4800, description="the customer is told what was replied")
    visit_days: int = Field(
        2, ge=1, le=30, description="working days from what was carried out to the second visit"
    )
    close_minutes: int = Field(
        480, ge=1, le=4800, description="a satisfied customer's case is checked and archived"
    )
    remind_minutes: int = Field(60, ge=0, le=4800, description="a deadline is reminded of so long before")
    manager_minutes: int = Field(
        240, ge=0, le=9600, description="managers are told of what is overdue so long; supervisors at once"
    )
    repeat_days: int = Field(
        90, ge=0, le=730, description="another complaint of the same customer or vehicle within is a repeat"
    )
    link_days: int = Field(14, ge=1, le=90, description="a department's private link is good so long")
    effect_days: int = Field(
        30, ge=1, le=365, description="days after closing when a corrective action's effect is checked"
    )

    def rules(self, language: str) -> Rules:
        """The same as cases read it, with the house's own language."""
        allowances = {
            kind: {
                grade: _allowance(getattr(self.allowances.get(kind), grade.value, None), usual)
                for grade, usual in grades.items()
            }
            for kind, grades in case_rules.ALLOWANCES.items()
        }
        return Rules(
            number=self.number,
            departments={name: dict(one.label) for name, one in self.departments.items()},
            allowances=allowances,
            assign_minutes=self.assign_minutes,
            accept_minutes=self.accept_minutes,
            tell_minutes=self.tell_minutes,
            visit_days=self.visit_days,
            close_minutes=self.close_minutes,
            remind_minutes=self.remind_minutes,
            manager_minutes=self.manager_minutes,
            repeat_days=self.repeat_days,
            link_days=self.link_days,
            effect_days=self.effect_days,
            language=language,
        )


def _allowance(given: CaseAllowance | None, usual: Allowance) -> Allowance:
    return usual if given is None else Allowance(answer=given.answer, solve=given.solve)


class CrmOptions(Options):
    """Everything about customers that an installation may set."""

    records: RecordOptions = RecordOptions()
    tasks: TaskOptions = TaskOptions()
    aftercall: AftercallOptions = AftercallOptions()
    lists: ListOptions = ListOptions()
    corrections: CorrectionOptions = CorrectionOptions()
    appointments: AppointmentOptions = AppointmentOptions()
    reports: ReportOptions = ReportOptions()
    cases: CaseOptions = CaseOptions()
    surveys: SurveyOptions = SurveyOptions()
    contactability: ContactabilityOptions = ContactabilityOptions()

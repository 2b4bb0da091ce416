"""Settings of customer records and tasks, with units, ranges and help. Read only by the composition root."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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


class CrmOptions(Options):
    """Everything about customers that an installation may set."""

    records: RecordOptions = RecordOptions()
    tasks: TaskOptions = TaskOptions()
    aftercall: AftercallOptions = AftercallOptions()
    lists: ListOptions = ListOptions()
    corrections: CorrectionOptions = CorrectionOptions()

"""Settings of customer records and tasks, with units, ranges and help. Read only by the composition root."""

from __future__ import annotations

from typing import Annotated

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


class TaskOptions(Options):
    """When what callers left must be done, in minutes of working time."""

    missed_call_minutes: int = Field(
        30, ge=1, le=4800, description="a missed or abandoned call is called back"
    )
    voicemail_minutes: int = Field(60, ge=1, le=4800, description="a voicemail is listened to and answered")
    talked_seconds: float = Field(
        1.0, ge=0, le=60, description="a talk at least this long closes the caller's open tasks"
    )


class CrmOptions(Options):
    """Everything about customers that an installation may set."""

    records: RecordOptions = RecordOptions()
    tasks: TaskOptions = TaskOptions()

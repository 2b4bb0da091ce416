"""Settings of appointments, with units, ranges and help. Read only by the composition root."""

from __future__ import annotations

from datetime import time

from pydantic import Field

from telephony.options import Options


class AppointmentOptions(Options):
    """Appointments: lists, reminders, no-shows and credit."""

    list_at: time = Field(time(16), description="the next two working days' list is made at this time of day")
    remind_at: time = Field(
        time(10), description="the working day before, customers are reminded from this time of day"
    )
    grace_minutes: int = Field(
        120, ge=5, le=1440, description="who has not come so long after the time has missed it"
    )
    credit_days: int = Field(
        5,
        ge=1,
        le=60,
        description="a visit within so many days after a talk or for an appointment counts to it",
    )
    link_days: int = Field(
        1, ge=0, le=30, description="a customer's private link is good until so many days after the time"
    )

"""How long each kind of data is kept. Read only by the composition root and the command line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: Five years and a leap day: US TSR 310.5, and what many houses promise for the facts of calls.
FIVE_YEARS = 1827
#: What serves the customer and proves nothing.
THREE_YEARS = 1096
#: A reason's occasion keeps the same event from calling twice: longer than any plan's interval.
_SHORTEST_CONTACTS = 400


class RetentionOptions(BaseModel):
    """Days each kind of data is kept; 0: for ever. Recordings and messages have `keep_days` of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls_days: int = Field(FIVE_YEARS, ge=0, le=36500, description="rows of the call log")
    facts_days: int = Field(FIVE_YEARS, ge=0, le=36500, description="raw facts below calls")
    changes_days: int = Field(FIVE_YEARS, ge=0, le=36500, description="who changed which field of a record")
    audit_days: int = Field(FIVE_YEARS, ge=0, le=36500, description="who saw, changed and exported what")
    approvals_days: int = Field(
        FIVE_YEARS, ge=0, le=36500, description="approvals to open restricted records"
    )
    cases_days: int = Field(
        FIVE_YEARS, ge=0, le=36500, description="complaints and other cases, counted from their closing"
    )
    responses_days: int = Field(
        THREE_YEARS,
        ge=0,
        le=36500,
        description="who answered surveys, and words; figures stay without the person",
    )
    contacts_days: int = Field(
        THREE_YEARS,
        ge=0,
        le=36500,
        description="contacts with reasons, tries and trail, counted from their closing; 400 or more, or 0",
    )
    appointments_days: int = Field(
        THREE_YEARS, ge=0, le=36500, description="appointments that were kept, missed or cancelled"
    )
    tasks_days: int = Field(
        FIVE_YEARS, ge=0, le=36500, description="closed tasks that belong to nothing that is still kept"
    )
    links_days: int = Field(
        400, ge=0, le=36500, description="private links and offers of surveys, counted from their last day"
    )
    maker_days: int = Field(
        THREE_YEARS, ge=0, le=36500, description="visits for the maker's CRM, and what was exported when"
    )
    reports_days: int = Field(
        FIVE_YEARS, ge=0, le=36500, description="written reports, and lists of problems passed to departments"
    )
    work_reports_days: int = Field(FIVE_YEARS, ge=0, le=36500, description="daily work reports")
    sessions_days: int = Field(30, ge=1, le=3650, description="browsers that were signed in")
    batch: int = Field(500, ge=10, le=10_000, description="rows deleted in one transaction")
    most_batches: int = Field(200, ge=1, le=100_000, description="transactions of one kind in one night")

    @field_validator("contacts_days")
    @classmethod
    def _longer_than_a_year(cls, days: int) -> int:
        if 0 < days < _SHORTEST_CONTACTS:
            raise ValueError(
                f"contacts are kept {_SHORTEST_CONTACTS} days or more, or for ever (0): with less, a customer who was "
                "called for a maintenance is called for it again"
            )
        return days

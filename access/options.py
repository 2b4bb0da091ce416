"""How long each kind of data is kept. Read only by the composition root and the command line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

#: Five years and a leap day: US TSR 310.5, and what many houses promise for the facts of calls.
FIVE_YEARS = 1827


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
    sessions_days: int = Field(30, ge=1, le=3650, description="browsers that were signed in")
    batch: int = Field(500, ge=10, le=10_000, description="rows deleted in one transaction")
    most_batches: int = Field(200, ge=1, le=100_000, description="transactions of one kind in one night")

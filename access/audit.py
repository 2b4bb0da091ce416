"""What is written down about who did what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from access.users import Principal


class Action(StrEnum):
    """What was done, in the past tense."""

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    SESSION_MOVED = "session_moved"  # a cookie came from another address
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    USER_DISABLED = "user_disabled"
    PASSWORD_SET = "password_set"  # noqa: S105  the word, not a secret
    TOKEN_CREATED = "token_created"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    CALL_DIALED = "call_dialed"
    CALL_CONTROLLED = "call_controlled"
    AGENT_CHANGED = "agent_changed"
    CALLER_CHOSEN = "caller_chosen"  # an agent said who is on the line
    CALLER_RECORDED = "caller_recorded"  # a new record for who is on the line
    TASK_CLAIMED = "task_claimed"
    TASK_CLOSED = "task_closed"
    TASK_CREATED = "task_created"
    TASK_ASSIGNED = "task_assigned"
    CALL_FILED = "call_filed"
    REGISTRATION_CORRECTED = "registration_corrected"
    DEFINITION_CHANGED = "definition_changed"  # forms, dispositions, scripts
    ARTICLE_CHANGED = "article_changed"
    BULLETIN_CHANGED = "bulletin_changed"  # written, changed or withdrawn
    RECORDING_PLAYED = "recording_played"
    RECORDING_DOWNLOADED = "recording_downloaded"
    RECORDING_MARKED = "recording_marked"
    RECORDING_DELETED = "recording_deleted"
    RECORDING_HELD = "recording_held"  # legal hold
    RECORDING_RELEASED = "recording_released"
    CALLER_BLOCKED = "caller_blocked"
    PHONE_SIGNED_ON = "phone_signed_on"  # a page was given its telephone's secret
    CALLER_UNBLOCKED = "caller_unblocked"
    IMPORT_BEGUN = "import_begun"
    IMPORT_ENDED = "import_ended"
    IMPORT_CHOSEN = "import_chosen"
    IMPORT_STOPPED = "import_stopped"
    PASSWORD_ACCEPTED = "password_accepted"  # noqa: S105  the second factor was asked for next
    CODE_REFUSED = "code_refused"
    FACTOR_SET = "factor_set"  # a second factor was confirmed
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    SESSIONS_ENDED = "sessions_ended"  # by the user himself, or by an administrator
    USER_ENABLED = "user_enabled"
    VIEWED = "viewed"  # a record was shown
    EXPORTED = "exported"  # a file left the house
    APPROVAL_ASKED = "approval_asked"
    APPROVAL_DECIDED = "approval_decided"
    RECORD_OPENED = "record_opened"  # in a call, without an approval
    OPENING_REVIEWED = "opening_reviewed"
    CIRCULATION_CHANGED = "circulation_changed"
    PRIVACY_ASKED = "privacy_asked"
    PRIVACY_DECIDED = "privacy_decided"
    PERSON_ERASED = "person_erased"
    HOLD_PLACED = "hold_placed"
    HOLD_RELEASED = "hold_released"
    REFUSED = "refused"  # somebody asked for what his role may not have
    RECORD_CREATED = "record_created"
    RECORD_CHANGED = "record_changed"  # a customer, a vehicle, their history
    GROUP_CREATED = "group_created"
    GROUP_CHANGED = "group_changed"  # its query, its words, who is in it
    GROUP_FROZEN = "group_frozen"
    RECORDS_MERGED = "records_merged"
    MERGE_UNDONE = "merge_undone"
    DUPLICATE_DECIDED = "duplicate_decided"  # they are two people
    CORRECTION_STEPPED = "correction_stepped"
    APPOINTMENT_STEPPED = "appointment_stepped"
    APPOINTMENT_SETUP = "appointment_setup"
    CONTACT_ADDED = "contact_added"  # a reason to call, by hand
    CONTACT_STEPPED = "contact_stepped"  # a result, another owner, another time
    CAMPAIGN_CHANGED = "campaign_changed"  # made, other settings, people put on or taken off
    CAMPAIGN_STEPPED = "campaign_stepped"  # started, paused, finished, archived
    CONSENT_NOTED = "consent_noted"  # what a customer agreed to
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONTACT_SWITCHED = "contact_switched"  # a purpose turned off or on for a customer
    PLAN_CHANGED = "plan_changed"  # a maintenance plan, or the rules of contacts
    READING_ADDED = "reading_added"  # what an odometer shows
    CASE_OPENED = "case_opened"
    CASE_STEPPED = "case_stepped"
    SCRIPT_STEPPED = "script_stepped"  # begun, submitted, approved, retired
    QUESTIONNAIRE_STEPPED = "questionnaire_stepped"  # begun, submitted, approved, retired
    RESPONSE_STEPPED = "response_stepped"  # a survey begun, finished, broken off, declined
    CLASSES_RATED = "classes_rated"  # all customers again, or stopped
    DEPARTMENT_SET = "department_set"  # which department a user answers for
    WORK_REPORT_STEPPED = "work_report_stepped"  # saved, handed in, returned, accepted
    PROBLEMS_PASSED = "problems_passed"  # to a department, by link, printed or as a file
    MAKER_STEPPED = "maker_stepped"  # a visit was entered by hand, left out, or the file made
    REPORT_STEPPED = "report_stepped"  # drafted, edited, approved, sent
    HOOK_CREATED = "hook_created"
    HOOK_CHANGED = "hook_changed"
    HOOK_DELETED = "hook_deleted"
    HOOK_SENT = "hook_sent"  # a test, or a delivery once more
    HOOK_DISABLED = "hook_disabled"  # by itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the audit log; append-only."""

    id: str
    at: datetime
    action: Action
    #: Name as it was then; ids of sessions and tokens are not kept.
    actor_name: str
    actor_id: str | None = None
    via: str = ""
    #: What it was done to, e.g. "user:01H…" or "call:01H…".
    subject: str = ""
    address: str = ""
    #: Plain JSON, never a password, token or full telephone number.
    data: Mapping[str, str | int | bool | None] = field(default_factory=dict)


def entry(
    action: Action,
    by: Principal,
    *,
    id: str,
    at: datetime,
    subject: str = "",
    address: str = "",
    data: Mapping[str, str | int | bool | None] | None = None,
) -> Entry:
    """An entry about what this principal did."""
    return Entry(
        id=id,
        at=at,
        action=action,
        actor_name=by.name,
        actor_id=by.user_id,
        via=by.via,
        subject=subject,
        address=address,
        data=data or {},
    )

"""What each role may do: one table, read by the API, the pages, the data layer and the sweep test."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is in the house."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    MANAGER = "manager"
    DEPARTMENT = "department"  # answers cases, sees no calls
    ADMIN = "admin"  # runs the installation; needs no customer's number for it


class Permission(StrEnum):
    """One thing that may be allowed."""

    PROFILE = "profile"  # own language, theme, password
    CALLS_READ = "calls.read"  # own calls, and calls nobody has taken yet
    CALLS_READ_ALL = "calls.read_all"
    NUMBERS_FULL = "numbers.full"  # unmasked telephone numbers
    NAMES_FULL = "names.full"  # customers' names, addresses and what they said, unmasked
    LIVE_READ = "live.read"
    QUEUES_READ = "queues.read"
    AGENTS_READ = "agents.read"
    DESK_SELF = "desk.self"  # own state, and the call one is on
    DESK_OTHERS = "desk.others"  # the same for another agent
    CALLS_DIAL = "calls.dial"
    TASKS_READ = "tasks.read"
    TASKS_WORK = "tasks.work"
    TASKS_ASSIGN = "tasks.assign"  # give a task to somebody else
    REGISTRATIONS_FILE = "registrations.file"  # file own calls, correct what one filed
    REGISTRATIONS_ALL = "registrations.all"  # file, read and correct everybody's
    RECORDINGS_LISTEN = "recordings.listen"  # what the house lets agents hear
    RECORDINGS_ALL = "recordings.all"
    RECORDINGS_DOWNLOAD = "recordings.download"
    RECORDINGS_DELETE = "recordings.delete"
    KNOWLEDGE_READ = "knowledge.read"
    KNOWLEDGE_WRITE = "knowledge.write"
    BULLETINS_READ = "bulletins.read"
    BULLETINS_WRITE = "bulletins.write"  # what those who take calls are told, and who has read it
    SCRIPTS_WRITE = "scripts.write"  # scripts, registration forms and dispositions
    USERS_READ = "users.read"
    USERS_WRITE = "users.write"
    TOKENS_WRITE = "tokens.write"
    HOOKS_WRITE = "hooks.write"  # what other systems are told; never more than one may see
    AUDIT_READ = "audit.read"
    CRM_READ = "crm.read"  # customers, vehicles, their history
    CRM_WRITE = "crm.write"
    IMPORTS_WRITE = "imports.write"  # bring lists of customers, vehicles and visits in
    EXPORT_READ = "export.read"  # take lists out as files, with what one may see
    CRM_RESTRICTED = "crm.restricted"  # records of secrecy grade "restricted" without asking
    GROUPS_READ = "groups.read"
    GROUPS_WRITE = "groups.write"
    DUPLICATES_READ = "duplicates.read"
    RECORDS_MERGE = "records.merge"  # make one record of two, undo it, say that two are two
    CORRECTIONS_READ = "corrections.read"  # a department: its own only
    CORRECTIONS_ANSWER = "corrections.answer"
    CORRECTIONS_WORK = "corrections.work"  # raise, check, close, remind; error rates, hand-overs
    CLASSES_WRITE = "classes.write"  # rules of classes, credit grades, key accounts
    FIELDS_READ = "fields.read"
    FIELDS_WRITE = "fields.write"  # which fields records have
    AUDIT_EXPORT = "audit.export"  # all calls of a number, signed, for a regulator
    APPROVALS_ASK = "approvals.ask"  # ask to open a restricted record
    APPROVALS_DECIDE = "approvals.decide"
    PRIVACY_ASK = "privacy.ask"  # register what a person asks about his data
    PRIVACY_DECIDE = "privacy.decide"  # the second person: approve, refuse, hold
    CASES_READ = "cases.read"  # complaints and what else customers told us
    CASES_WORK = "cases.work"  # register, hand over, tell the plan, second visit
    CASES_ASSIGN = "cases.assign"  # another person in charge, another grade, urge
    CASES_ANSWER = "cases.answer"  # a department: accept and answer its own
    CASES_EXCEPTION = "cases.exception"  # sign that a case closes without a satisfied second visit
    SURVEYS_FILL = "surveys.fill"
    SURVEYS_READ = "surveys.read"  # results, and the answers behind them
    SURVEYS_WRITE = "surveys.write"
    SURVEYS_APPROVE = "surveys.approve"  # the second person: only approved questionnaires are asked
    SCRIPTS_APPROVE = "scripts.approve"
    MAINTENANCE_READ = "maintenance.read"  # plans, and why a vehicle is due
    MAINTENANCE_WRITE = "maintenance.write"  # plans, and which events make tasks
    CAMPAIGNS_READ = "campaigns.read"  # campaigns, whom they call, every try
    CAMPAIGNS_WRITE = "campaigns.write"  # make, change, run them; put people on and take them off
    CAMPAIGNS_DIAL = "campaigns.dial"  # call through a list by hand, promise call-backs
    APPOINTMENTS_READ = "appointments.read"
    APPOINTMENTS_WORK = "appointments.work"  # book, move, cancel, say who came
    APPOINTMENTS_WRITE = "appointments.write"  # slots, capacity, closed days
    REPORTS_READ = "reports.read"  # lists and reports of everybody, not only one's own
    REPORTS_WRITE = "reports.write"  # write reports, send them to their distribution list
    WORK_REPORTS_OWN = "work_reports.own"  # draft and hand in one's daily work report


_AGENT: Final = frozenset(
    {
        Permission.PROFILE,
        Permission.CALLS_READ,
        Permission.LIVE_READ,
        Permission.QUEUES_READ,
        Permission.AGENTS_READ,
        Permission.DESK_SELF,
        Permission.CALLS_DIAL,
        Permission.TASKS_READ,
        Permission.TASKS_WORK,
        Permission.REGISTRATIONS_FILE,
        Permission.RECORDINGS_LISTEN,
        Permission.KNOWLEDGE_READ,
        Permission.BULLETINS_READ,
        Permission.CRM_READ,
        Permission.CRM_WRITE,
        Permission.FIELDS_READ,
        Permission.NAMES_FULL,
        Permission.APPROVALS_ASK,
        Permission.GROUPS_READ,
        Permission.DUPLICATES_READ,
        Permission.CORRECTIONS_READ,
        Permission.CORRECTIONS_ANSWER,
        Permission.CORRECTIONS_WORK,
        Permission.CASES_READ,
        Permission.CASES_WORK,
        Permission.SURVEYS_FILL,
        Permission.MAINTENANCE_READ,
        Permission.CAMPAIGNS_DIAL,
        Permission.APPOINTMENTS_READ,
        Permission.APPOINTMENTS_WORK,
        Permission.WORK_REPORTS_OWN,
    }
)
_SUPERVISOR: Final = _AGENT | {
    Permission.IMPORTS_WRITE,
    Permission.EXPORT_READ,
    Permission.CALLS_READ_ALL,
    Permission.NUMBERS_FULL,
    Permission.DESK_OTHERS,
    Permission.TASKS_ASSIGN,
    Permission.REGISTRATIONS_ALL,
    Permission.RECORDINGS_ALL,
    Permission.KNOWLEDGE_WRITE,
    Permission.BULLETINS_WRITE,
    Permission.SCRIPTS_WRITE,
    Permission.CRM_RESTRICTED,
    Permission.GROUPS_WRITE,
    Permission.RECORDS_MERGE,
    Permission.CLASSES_WRITE,
    Permission.USERS_READ,
    Permission.APPROVALS_DECIDE,
    Permission.PRIVACY_ASK,
    Permission.CASES_ASSIGN,
    Permission.SURVEYS_READ,
    Permission.SURVEYS_WRITE,
    Permission.MAINTENANCE_WRITE,
    Permission.APPOINTMENTS_WRITE,
    Permission.CAMPAIGNS_READ,
    Permission.CAMPAIGNS_WRITE,
    Permission.REPORTS_READ,
    Permission.REPORTS_WRITE,
}
_MANAGER: Final = _SUPERVISOR | {
    Permission.AUDIT_READ,
    Permission.AUDIT_EXPORT,
    Permission.RECORDINGS_DOWNLOAD,
    Permission.RECORDINGS_DELETE,
    Permission.PRIVACY_DECIDE,
    Permission.HOOKS_WRITE,
    Permission.FIELDS_WRITE,
    Permission.CASES_EXCEPTION,
    Permission.SURVEYS_APPROVE,
    Permission.SCRIPTS_APPROVE,
}

#: The whole policy. A role that is not named here has no right at all.
GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.AGENT: _AGENT,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.MANAGER: _MANAGER,
    Role.DEPARTMENT: frozenset(
        {
            Permission.PROFILE,
            Permission.NAMES_FULL,
            Permission.CORRECTIONS_READ,
            Permission.CORRECTIONS_ANSWER,
            Permission.CASES_READ,
            Permission.CASES_ANSWER,
            Permission.APPOINTMENTS_READ,
        }
    ),
    Role.ADMIN: frozenset(
        {
            Permission.PROFILE,
            Permission.CALLS_READ,
            Permission.CALLS_READ_ALL,
            Permission.LIVE_READ,
            Permission.QUEUES_READ,
            Permission.AGENTS_READ,
            Permission.USERS_READ,
            Permission.USERS_WRITE,
            Permission.TOKENS_WRITE,
            Permission.HOOKS_WRITE,
            Permission.AUDIT_READ,
            Permission.FIELDS_READ,
            Permission.FIELDS_WRITE,
        }
    ),
}

#: Roles that get telephones of their own.
TAKES_CALLS: Final = frozenset({Role.AGENT, Role.SUPERVISOR, Role.MANAGER})

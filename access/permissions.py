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
    LIVE_READ = "live.read"
    QUEUES_READ = "queues.read"
    AGENTS_READ = "agents.read"
    DESK_SELF = "desk.self"  # own state, and the call one is on
    DESK_OTHERS = "desk.others"  # the same for another agent
    CALLS_DIAL = "calls.dial"
    TASKS_READ = "tasks.read"
    TASKS_WORK = "tasks.work"
    USERS_READ = "users.read"
    USERS_WRITE = "users.write"
    TOKENS_WRITE = "tokens.write"
    AUDIT_READ = "audit.read"


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
    }
)
_SUPERVISOR: Final = _AGENT | {
    Permission.CALLS_READ_ALL,
    Permission.NUMBERS_FULL,
    Permission.DESK_OTHERS,
    Permission.USERS_READ,
}

#: The whole policy. A role that is not named here has no right at all.
GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.AGENT: _AGENT,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.MANAGER: _SUPERVISOR | {Permission.AUDIT_READ},
    Role.DEPARTMENT: frozenset({Permission.PROFILE}),
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
            Permission.AUDIT_READ,
        }
    ),
}

#: Roles that get telephones of their own.
TAKES_CALLS: Final = frozenset({Role.AGENT, Role.SUPERVISOR, Role.MANAGER})

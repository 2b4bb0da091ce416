"""Where one caller is in a flow: everything the engine knows between two waits, as plain JSON.

SessionError
└── SessionRefused   the text is no session, or belongs to another version of the flow
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from ivr.flow import Flow
from ivr.ports import Known

#: What a session can wait for within its node.
KEYS: Final = "keys"
REPLY: Final = "reply"
ENDED: Final = "ended"

Scalar = str | int | None


class SessionError(Exception):
    """Base of what can be wrong with a stored session."""

    error_id = "ivr-session-error"


class SessionRefused(SessionError):
    """The text is no session of this flow; the caller goes to the fallback queue."""

    error_id = "ivr-session-refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A caller in a flow. Frozen: the engine makes a new one at every wait."""

    call_id: str
    flow: str
    version: str
    node: str
    #: keys, reply or ended.
    waits: str
    language: str
    #: The caller chose the language, or his record names it.
    language_known: bool = False
    #: E.164, or None where hidden or no number.
    caller: str | None = None
    #: The caller sent something, but no number.
    unreadable: bool = False
    customer: Known | None = None
    #: Customers that fit so far, while it is not known which of them calls.
    candidates: tuple[str, ...] = ()
    #: Values read aloud or typed; times as ISO 8601 with offset.
    values: Mapping[str, Scalar] = field(default_factory=dict)
    #: Wrong and missing inputs at this node.
    misses: int = 0
    steps: int = 0
    #: A key typed before the menu that takes it.
    ahead: str = ""
    #: The notice was given and not refused.
    record: bool = False
    #: The house takes no calls from this number.
    blocked: bool = False


def session_to_json(session: Session) -> str:
    """The session as one line of JSON."""
    return json.dumps(asdict(session), ensure_ascii=False, separators=(",", ":"))


def session_from_json(text: str, flow: Flow) -> Session:
    """The session in `text`. Raises SessionRefused unless it belongs to exactly this version of the flow."""
    try:
        row = json.loads(text)
        customer = row.pop("customer")
        session = Session(
            customer=None if customer is None else Known(**customer),
            candidates=tuple(row.pop("candidates")),
            values=dict(row.pop("values")),
            **row,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SessionRefused(f"this is no session: {error}") from error
    if (session.flow, session.version) != (flow.name, flow.version) or session.node not in flow.nodes:
        raise SessionRefused(
            f"the session is at {session.node} of {session.flow} {session.version}, not of {flow.name} {flow.version}"
        )
    return session

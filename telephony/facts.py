"""What a switch, its files or the service say happened in a call: small, raw, never changed afterwards.

Facts are the only input of the call log. The same event may be told by several sources; within one
source the natural key makes a second telling harmless. Folding facts into a call is `telephony.tracker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    """Who says so."""

    AGI = "agi"
    AMI = "ami"
    CEL = "cel"
    CDR = "cdr"
    QUEUE_LOG = "queue_log"
    SERVICE = "service"


class FactKind(StrEnum):
    """What happened, in our words."""

    LEG_STARTED = "leg_started"  # data: channel, caller, called, name, trunk (bool), direction
    LEG_ANSWERED = "leg_answered"
    LEG_ENDED = "leg_ended"  # data: cause (Q.850 number), hung_up_by
    CALL_ENDED = "call_ended"  # the last leg of the linkedid is gone
    IVR_STARTED = "ivr_started"  # data: call_id, flow, caller, called
    IVR_STEP = "ivr_step"  # data: node, keys (what was pressed), outcome
    IVR_ENDED = "ivr_ended"  # data: route, outcome
    LANGUAGE_SET = "language_set"  # data: language
    IDENTIFIED = "identified"  # data: customer_id or None, how, explained
    NOTICE_GIVEN = "notice_given"  # data: notice, refused (bool)
    OPTED_OUT = "opted_out"  # data: number, purpose
    QUEUED = "queued"  # data: queue, position, priority
    QUEUE_LEFT = "queue_left"  # data: queue, reason (abandoned, timeout, key, empty, full), wait
    RINGING = "ringing"  # data: queue, endpoint, agent
    RING_MISSED = "ring_missed"  # data: queue, endpoint, agent, rang (seconds)
    CONNECTED = "connected"  # data: queue, endpoint, agent, wait (seconds), peer
    DISCONNECTED = "disconnected"  # data: endpoint, agent, talk (seconds), reason
    BRIDGE_ENTERED = "bridge_entered"  # data: bridge; who shares a bridge can hear each other
    BRIDGE_LEFT = "bridge_left"  # data: bridge
    HELD = "held"
    RESUMED = "resumed"
    TRANSFERRED = "transferred"  # data: how (blind, attended), target, target_kind
    CONFERENCE_JOINED = "conference_joined"  # data: conference
    RECORDING_STARTED = "recording_started"  # data: file
    RECORDING_PAUSED = "recording_paused"
    RECORDING_RESUMED = "recording_resumed"
    RECORDING_STOPPED = "recording_stopped"
    RECORDING_FAILED = "recording_failed"  # data: why
    VOICEMAIL_LEFT = "voicemail_left"  # data: file, seconds, box
    CALLBACK_ASKED = "callback_asked"  # data: number, promised_by
    FALLBACK = "fallback"  # the dialplan went on without the service; data: why
    REFUSED = "refused"  # data: rule
    RATING_ASKED = "rating_asked"  # the agent hung up and the customer is asked; data: queue
    RATED = "rated"  # data: rating (1 to 5)
    INTERRUPTED = "interrupted"  # data: why
    MACHINE = "machine"  # an answering machine spoke, not a person
    #: A leg we dialed: it rings, is refused, or nobody watched; data: how (ringing, refused, unwatched)
    FAR_SIGN = "far_sign"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing that happened, as one source tells it."""

    #: Who says so.
    source: Source
    #: Natural key, unique within the source: re-import is harmless.
    key: str
    kind: FactKind
    #: When, timezone-aware UTC, microseconds.
    at: datetime
    #: Asterisk's id of the whole call; may change meaning at a masquerade, so never a primary key.
    linkedid: str
    #: Asterisk's id of the channel this is about.
    uniqueid: str
    #: Plain JSON values only; never customer text that came from outside unescaped.
    data: Mapping[str, Any] = field(default_factory=dict)

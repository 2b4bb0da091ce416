"""The names Careline and Asterisk share. Templates and code take them from here, nowhere else.

Only ids of [0-9A-Za-z-] travel in channel variables, ActionID, ChannelId and Account.
"""

from __future__ import annotations

from typing import Final

# Contexts (config/asterisk/extensions.conf.j2)
INBOUND: Final = "careline-inbound"  # calls from the trunk; cannot dial out
ROUTE: Final = "careline-route"  # acts on IVR_DONE
FALLBACK: Final = "careline-fallback"  # the service is away or silent
VOICEMAIL: Final = "careline-voicemail"
AGENTS: Final = "careline-agents"  # what agents' phones may dial
OUTBOUND: Final = "careline-outbound"  # the only way to the trunk; allow-list and caps
NO_FORWARD: Final = "careline-no-forward"  # where the call forwarding of a phone ends
HOLD: Final = "careline-hold"  # a customer hears music
PARKED_AGENT: Final = "careline-agent-waits"  # the agent's leg while its customer is on hold
CONSULTED: Final = "careline-consulted"  # whom an agent consulted before he hung up; waits for the customer
TRANSFER: Final = "careline-transfer"  # targets of transfers: agent-ENDPOINT, queue-NAME
JOIN: Final = "careline-join"  # extension: leg- and the name of the PJSIP channel to talk with
SETTLES: Final = "settles"  # before such an extension: the leg was dialed, and becomes one of its own first
CONFERENCE: Final = "careline-conference"
CONFERENCE_GUEST: Final = "careline-conference-guest"  # somebody invited; only while the room is in use
QUEUES: Final = "careline-queues"  # one extension a queue: enter it, and where to go afterwards
QUEUE_EXIT: Final = "careline-queue-exit"  # keys that take a waiting caller out of the queue
PHONES: Final = "careline-phones"  # one extension a phone
ATTEMPT: Final = "careline-attempt"  # a call of a campaign was answered; extension: what serves the customer
RATING: Final = "careline-rating"  # the agent hung up first; one extension a queue whose callers are asked

TAG: Final = "careline-tag"  # run on a phone's new channel: tells the phone which call rings

# SIP header of every INVITE to a phone of ours: Careline's call id
CALL_HEADER: Final = "X-Careline-Call"
#: Beside it where the phone is to answer by itself: a customer is on the line already.
ANSWER_HEADER: Final = "X-Careline-Answer"
ANSWER_NOW: Final = "now"
CALL_HEADER_VARIABLE: Final = f"PJSIP_HEADER(add,{CALL_HEADER})"

# Endpoints
TRUNK: Final = "careline-trunk"

# Channel variables
IVR_DONE: Final = "IVR_DONE"  # set by the service as its very last act: the route, see below
LANGUAGE: Final = "CL_LANG"  # zh-CN or en
RECORD: Final = "CL_RECORD"  # yes once the recording notice was given and not refused
CALL: Final = "CL_CALL"  # Careline's call id, for transfers and recordings
TRUNK_GROUP: Final = "GROUP(trunk)"  # channels of the trunk are counted by it (value: trunk)
CALLER: Final = "CL_CALLER"  # the number a campaign shows, where it is not the trunk's
PHONE: Final = "CL_PHONE"  # the endpoint, on every channel of a phone

# FastAGI scripts. All get: linkedid, time of signing, digest, subject, and AGI_EXIT the key pressed too.
AGI_IVR: Final = "ivr"  # subject: the called number
AGI_EXIT: Final = "queue-exit"  # subject: the queue; key 1 asks for a call-back, "empty": nobody is signed in
AGI_RATING: Final = "rating"  # subject: the queue of the talk that is over
AGI_ATTEMPT: Final = (
    "attempt"  # subject: Careline's call id, which is the attempt's; key: SEAT_…, if agents serve
)
SEAT_WANTED: Final = "agent"
SEAT_MISSED: Final = "missed"  # the agent's telephone did not take the customer

# User events from the dialplan, written both to AMI (UserEvent) and to CEL (CELGenUserEvent)
USER_EVENT: Final = "Careline"  # AMI UserEvent name; headers Kind, Value
CEL_VOICEMAIL: Final = "CarelineVoicemail"  # extra: file name without folder
CEL_RECORDING: Final = "CarelineRecording"
CEL_FALLBACK: Final = "CarelineFallback"
CEL_REFUSED: Final = "CarelineRefused"  # extra: the fence that said no (FENCE_…)
CEL_RECORDING_FAILED: Final = "CarelineRecordingFailed"  # extra: why; the call itself goes on

# Why a call went to the fallback: Value of the user event, extra of the CEL event
FALLBACK_UNSET: Final = "unset"  # the service closed or refused the FastAGI connection without a route
FALLBACK_SILENT: Final = "silent"  # the dead man's switch fired
FALLBACK_ROUTE: Final = "route"  # the route names no queue, phone or box of ours
FALLBACK_HOLD: Final = "hold"  # left on hold with nobody coming back

# Which fence of the dialplan refused a call
FENCE_NUMBER: Final = "number"  # not a complete E.164 number
FENCE_PREFIX: Final = "prefix"  # outside the allow-list, or refused by name
FENCE_CHANNELS: Final = "channels"  # the trunk's channels are all in use
FENCE_PHONE: Final = "phone"  # this phone has too many calls out
FENCE_FORWARD: Final = "forward"  # a phone wanted its call forwarded
FENCE_HOUR: Final = "hour"  # too many calls out in this hour

# Queue whose members are all phones, paused or not. Ids of queues hold no dash, so it collides with none.
FALLBACK_QUEUE: Final = "careline-fallback"

# Routes: the value of IVR_DONE, parts joined by "-".
#   hangup
#   queue-NAME-PRIORITY-MAXWAIT            app_queue, seconds
#   agent-ENDPOINT-SECONDS-QUEUE-PRIORITY  ring one agent first, then the queue
#   voicemail-BOX                          leave a message in a queue's box
#   seat-ENDPOINT-SECONDS                  a campaign's customer: one agent, whose telephone answers by itself
ROUTE_HANGUP: Final = "hangup"
ROUTE_QUEUE: Final = "queue"
ROUTE_AGENT: Final = "agent"
ROUTE_VOICEMAIL: Final = "voicemail"
ROUTE_SEAT: Final = "seat"

# Files Asterisk writes for the call log, below its log folder, and their fields in order. cel_custom.conf and
# cdr_custom.conf are rendered from these: `fields = ...` where Asterisk knows advanced mappings, else
# ${CSV_QUOTE(...)}; `telephony.asterisk.files` reads them. cel.conf: no `dateformat`, so that times are epoch
# seconds with microseconds, `apps=queue`, `events` as listed. cdr.conf: unanswered=yes; start, answer and end
# as epoch seconds too: `start(double)` in an advanced mapping, ${CDR(start,u)} in the other.
CEL_FILE: Final = "cel.csv"
CDR_FILE: Final = "cdr.csv"
QUEUE_LOG_FILE: Final = "queue_log"
CEL_FIELDS: Final = (
    "eventtype", "eventtime", "uniqueid", "linkedid", "channame", "num", "name", "ani", "dnid", "exten",
    "context", "appname", "appdata", "accountcode", "peer", "userdeftype", "eventextra",
)  # fmt: skip
CDR_FIELDS: Final = (
    "uniqueid", "linkedid", "sequence", "start", "answer", "end", "duration", "billsec", "disposition",
    "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "accountcode", "userfield",
)  # fmt: skip
CEL_EVENTS: Final = (
    "CHAN_START", "ANSWER", "HANGUP", "CHAN_END", "LINKEDID_END", "BRIDGE_ENTER", "BRIDGE_EXIT",
    "APP_START", "APP_END", "BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP", "LOCAL_OPTIMIZE",
    "USER_DEFINED",
)  # fmt: skip

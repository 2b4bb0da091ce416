"""Settings of the telephone side, with units, ranges and help. Read only by the composition root."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,32}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
E164Digits = Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")]


class Options(BaseModel):
    """Base of all sections: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SipOptions(Options):
    port: Port = Field(5060, description="UDP port of Careline's own SIP, for the trunk and desk phones")
    bind: str = Field("127.0.0.1", description="address SIP and RTP bind to")
    rtp_first: Port = Field(10000, description="first RTP port")
    rtp_last: Port = Field(10999, description="last RTP port")
    media_address: str = Field("", description="address put into SDP; empty: same as bind")


class TrunkOptions(Options):
    host: str = Field("127.0.0.1", description="carrier's address")
    port: Port = Field(5080, description="carrier's SIP port")
    user: str = Field("", description="user name, where the carrier wants registration or authentication")
    password: str = Field("", description="password that goes with it")
    channels: int = Field(30, ge=1, le=2000, description="most calls at once, in and out")
    calls_per_second: float = Field(5.0, gt=0, le=1000, description="most new outbound calls a second")
    codecs: list[Literal["ulaw", "alaw", "g722", "opus"]] = Field(["alaw", "ulaw"], min_length=1)
    caller_id: str = Field("", description="number shown on outbound calls; empty: carrier's default")
    number_format: Literal["e164", "plain"] = Field(
        "e164", description="how dialed numbers are written to the carrier: +8613… or 8613…"
    )


class FenceOptions(Options):
    """Toll-fraud fences, enforced in the service and again in the dialplan."""

    allowed_prefixes: list[Annotated[str, Field(pattern=r"^\+[0-9]{1,10}$")]] = Field(
        ["+86"], description="E.164 prefixes that may be dialed"
    )
    refused_prefixes: list[Annotated[str, Field(pattern=r"^\+[0-9]{1,10}$")]] = Field(
        [], description="prefixes refused even inside an allowed one"
    )
    calls_per_hour: int = Field(300, ge=1, le=100_000, description="most outbound calls in any hour")
    calls_per_phone: int = Field(2, ge=1, le=50, description="most outbound calls at once from one phone")
    longest_call_minutes: int = Field(120, ge=1, le=1440, description="calls are cut off after this")


class IceServer(Options):
    """A STUN or TURN server that browsers ask for a way through NAT. None is asked that is not named here."""

    urls: list[Annotated[str, Field(pattern=r"^(stuns?|turns?):[0-9A-Za-z.:?=_-]{1,200}$")]] = Field(
        min_length=1
    )
    username: str = ""
    credential: str = ""


class BrowserPhoneOptions(Options):
    """The softphone in the page."""

    ice_servers: list[IceServer] = Field([], description="STUN and TURN servers for browsers; none by itself")
    media_addresses: dict[str, str] = Field(
        default_factory=dict,
        description="behind NAT: own address = address offered to browsers for sound (RTP)",
    )
    direct_url: str = Field(
        "",
        pattern=r"^(wss?://[0-9A-Za-z.:\[\]_-]{1,253}(/[0-9A-Za-z/._-]*)?)?$",
        description="second address of Asterisk's WebSocket, used while the service is away; "
        "empty: Asterisk's own port where the pages are on loopback, else none",
    )
    auto_answer: bool = Field(False, description="calls of queues are answered in the page by themselves")
    reload_seconds: int = Field(
        20, ge=3, le=120, description="a caller whose agent's page went away hears music for so long"
    )


class SwitchOptions(Options):
    """The Asterisk that Careline drives."""

    mode: Literal["private", "system"] = Field(
        "private", description="own copy run by Careline, or one that runs already"
    )
    system_name: Id = Field("careline", description="Asterisk's systemname; makes call ids unique")
    ami_host: str = "127.0.0.1"
    ami_port: Port = 5038
    ami_events_user: Id = "carelineevents"
    ami_events_secret: str = ""
    ami_actions_user: Id = "carelineactions"
    ami_actions_secret: str = ""
    action_seconds: float = Field(5.0, gt=0, le=60, description="deadline of one AMI action")
    ping_seconds: float = Field(10.0, gt=0, le=300)
    queue_limit: int = Field(
        50_000, ge=1000, description="events held in memory before the session is dropped on purpose"
    )
    http_port: Port = Field(8088, description="Asterisk's HTTP port (WebSocket for browser phones), loopback")
    agi_host: str = "127.0.0.1"
    agi_port: Port = 4573
    agi_secret: str = Field("", description="signs the FastAGI address in the dialplan")
    max_calls: int = Field(200, ge=1, le=10_000)


class QueueOptions(Options):
    label: dict[str, str] = Field(default_factory=dict, description="name per language")
    strategy: Literal[
        "ringall", "leastrecent", "fewestcalls", "random", "rrmemory", "rrordered", "linear", "wrandom"
    ] = "leastrecent"
    ring_seconds: int = Field(15, ge=5, le=120, description="how long one agent's phone rings")
    retry_seconds: int = Field(1, ge=0, le=60)
    wrapup_seconds: int = Field(30, ge=0, le=1800)
    max_wait_seconds: int = Field(300, ge=10, le=7200)
    max_callers: int = Field(50, ge=0, le=1000, description="0: no limit")
    overflow: str = Field("", description="queue that takes callers after max_wait_seconds; empty: voicemail")
    no_agents: Literal["wait", "overflow", "voicemail", "callback"] = Field(
        "wait", description="route when nobody is signed in"
    )
    missed_before_pause: int = Field(
        2, ge=0, le=20, description="missed rings in a row before an agent is paused; 0: never"
    )
    weight: int = Field(0, ge=0, le=100)
    service_level_seconds: int = Field(20, ge=1, le=600)
    music: str = "default"
    fallback: bool = Field(False, description="callers go here when the service is down")
    rating: bool = Field(True, description="its callers are asked to rate, where telephony.rating.enabled")


class HotlineOptions(Options):
    numbers: dict[str, str] = Field(
        default_factory=lambda: {"4008001234": "service", "4008005678": "complaints"},
        description="called number, as the trunk delivers it, to flow",
    )
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        "CN", description="how national numbers are read"
    )
    area_code: str = Field("", description="own area code, for local numbers without one")
    languages: list[Literal["zh-CN", "en"]] = Field(["zh-CN", "en"], min_length=1)
    last_resort_phone: str = Field(
        "", description="endpoint or number that rings when no agent can be reached"
    )
    longest_call_minutes: int = Field(240, ge=1, le=1440)


class SpanOptions(Options):
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(min_length=1)
    open: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    close: Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


class CalendarOptions(Options):
    """Working time: weekly spans, statutory holidays, the house's own dates."""

    zone: str = Field("Asia/Shanghai", description="IANA time zone")
    holidays: str = Field("CN", description="country whose statutory holidays count; empty: none")
    spans: list[SpanOptions] = Field(
        default_factory=lambda: [
            SpanOptions(days=["mon", "tue", "wed", "thu", "fri", "sat"], open="08:30", close="12:00"),
            SpanOptions(days=["mon", "tue", "wed", "thu", "fri", "sat"], open="13:00", close="17:30"),
        ]
    )
    closed_dates: list[date] = Field(default_factory=list, description="closed whatever the calendar says")
    open_dates: list[date] = Field(
        default_factory=list, description="open on normal hours whatever the calendar says"
    )
    makeup_day_as: Literal["mon", "tue", "wed", "thu", "fri"] = Field(
        "fri", description="whose hours a make-up workday has"
    )


class RecordingOptions(Options):
    enabled: bool = Field(False, description="needs the notice in the flow: no notice, no recording")
    folder: str = Field("", description="empty: below the data folder")
    keep_days: int = Field(90, ge=1, le=3650)
    china_profile: bool = Field(True, description="keep at least 30 days (MIIT notice on call centres)")


class VoicemailOptions(Options):
    longest_seconds: int = Field(180, ge=10, le=900)
    shortest_seconds: int = Field(2, ge=0, le=30)
    keep_days: int = Field(90, ge=1, le=3650)


class CallbackOptions(Options):
    promise_minutes: int = Field(
        30, ge=5, le=480, description="call-backs are promised within this much working time"
    )
    offer_after_seconds: int = Field(60, ge=0, le=3600)


class RatingOptions(Options):
    """Asking the caller, once the agent has hung up, what the talk was worth: 1 to 5."""

    enabled: bool = Field(False, description="callers are asked after the talk, in the queues that rate")


class DepartmentOptions(Options):
    """A department calls are transferred to: one of our queues, or a number outside."""

    label: dict[str, str] = Field(default_factory=dict, description="name per language")
    queue: str = Field("", description="queue that answers for it")
    number: str = Field("", pattern=r"^(\+[0-9]{7,15})?$", description="or an E.164 number outside")


class TelephonyOptions(Options):
    sip: SipOptions = SipOptions()
    trunk: TrunkOptions = TrunkOptions()
    fences: FenceOptions = FenceOptions()
    switch: SwitchOptions = SwitchOptions()
    browser_phone: BrowserPhoneOptions = BrowserPhoneOptions()
    hotline: HotlineOptions = HotlineOptions()
    queues: dict[Id, QueueOptions] = Field(
        default_factory=lambda: {
            "service": QueueOptions(label={"zh-CN": "售后服务", "en": "Service"}, fallback=True),
            "sales": QueueOptions(label={"zh-CN": "销售咨询", "en": "Sales"}, overflow="service"),
            "complaints": QueueOptions(
                label={"zh-CN": "投诉", "en": "Complaints"}, overflow="service", weight=5
            ),
            "roadside": QueueOptions(
                label={"zh-CN": "道路救援", "en": "Roadside assistance"}, overflow="service", weight=10
            ),
        }
    )
    departments: dict[Id, DepartmentOptions] = Field(default_factory=dict)
    recording: RecordingOptions = RecordingOptions()
    voicemail: VoicemailOptions = VoicemailOptions()
    callback: CallbackOptions = CallbackOptions()
    rating: RatingOptions = RatingOptions()
    wrapup_paused: bool = Field(True, description="pause a member at answer, release by disposition or timer")

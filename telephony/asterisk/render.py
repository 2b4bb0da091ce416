"""Every file Asterisk reads, made from Careline's settings; nothing of the machine's own Asterisk is touched.

Rendering is repeatable: a file whose text did not change is not written, and what did change says which
modules have to be reloaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2
import phonenumbers

from telephony.asterisk import names
from telephony.asterisk.install import AsteriskBinary
from telephony.options import TelephonyOptions
from telephony.phones import Phone

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "config" / "asterisk"

#: Seconds a customer hears music on hold before someone else is asked to take the call.
HOLD_SECONDS: Final = 900

#: A Unix socket's path must fit in 108 bytes (sun_path, unix(7)); this leaves room for "/asterisk.ctl".
LONGEST_RUN_PATH: Final = 90

#: Made with a folder for sound files: without it an empty one is a disk that is not mounted.
FOLDER_MARK: Final = ".careline"

#: Which file belongs to which module of Asterisk. What is not named here needs a restart.
_RELOADED_BY: Final[Mapping[str, str]] = {
    "pjsip.conf": "res_pjsip.so",
    "extensions.conf": "pbx_config.so",
    "queues.conf": "app_queue.so",
    "queuerules.conf": "app_queue.so",
    "manager.conf": "manager",
    "http.conf": "http",
    "rtp.conf": "res_rtp_asterisk.so",
    "cel.conf": "cel",
    "cel_custom.conf": "cel_custom.so",
    "cdr.conf": "cdr",
    "cdr_custom.conf": "cdr_custom.so",
    "cdr_manager.conf": "cdr_manager.so",
    "logger.conf": "logger",
    "musiconhold.conf": "res_musiconhold.so",
    "indications.conf": "indications",
    "features.conf": "features",
    "confbridge.conf": "app_confbridge.so",
}

#: In load order: what others need comes first. Those an older Asterisk does not have are left out.
_MODULES: Final = (
    "res_cdrel_custom.so",
    "res_timing_timerfd.so",
    "res_sorcery_memory.so",
    "res_sorcery_astdb.so",
    "res_sorcery_config.so",
    "res_speech.so",
    "res_crypto.so",
    "res_http_websocket.so",
    "res_musiconhold.so",
    "res_rtp_asterisk.so",
    "res_srtp.so",
    "res_pjproject.so",
    "res_pjsip.so",
    "res_pjsip_session.so",
    "res_pjsip_pubsub.so",
    "res_pjsip_outbound_publish.so",
    "res_pjsip_exten_state.so",
    "res_pjsip_sdp_rtp.so",
    "res_pjsip_authenticator_digest.so",
    "res_pjsip_outbound_authenticator_digest.so",
    "res_pjsip_outbound_registration.so",
    "res_pjsip_endpoint_identifier_ip.so",
    "res_pjsip_endpoint_identifier_user.so",
    "res_pjsip_registrar.so",
    "res_pjsip_caller_id.so",
    "res_pjsip_dtmf_info.so",
    "res_pjsip_header_funcs.so",
    "res_pjsip_nat.so",
    "res_pjsip_rfc3326.so",
    "res_pjsip_refer.so",
    "res_pjsip_logger.so",
    "res_pjsip_acl.so",
    "res_pjsip_transport_websocket.so",
    "res_format_attr_opus.so",
    "codec_ulaw.so",
    "codec_alaw.so",
    "codec_a_mu.so",
    "codec_g722.so",
    "codec_gsm.so",
    "codec_resample.so",
    "codec_opus_open_source.so",
    "codec_opus.so",
    "format_pcm.so",
    "format_wav.so",
    "format_gsm.so",
    "format_sln.so",
    "bridge_simple.so",
    "bridge_native_rtp.so",
    "bridge_softmix.so",
    "bridge_holding.so",
    "bridge_builtin_features.so",
    "chan_pjsip.so",
    "func_callerid.so",
    "func_cdr.so",
    "func_channel.so",
    "func_cut.so",
    "func_devstate.so",
    "func_dialplan.so",
    "func_env.so",
    "func_global.so",
    "func_groupcount.so",
    "func_lock.so",
    "func_logic.so",
    "func_math.so",
    "func_pjsip_aor.so",
    "func_pjsip_contact.so",
    "func_pjsip_endpoint.so",
    "func_sha1.so",
    "func_strings.so",
    "func_timeout.so",
    "func_uri.so",
    "app_chanspy.so",
    "func_periodic_hook.so",
    "app_bridgewait.so",
    "app_celgenuserevent.so",
    "app_confbridge.so",
    "app_dial.so",
    "app_echo.so",
    "app_exec.so",
    "app_mixmonitor.so",
    "app_playback.so",
    "app_queue.so",
    "app_read.so",
    "app_record.so",
    "app_senddtmf.so",
    "app_stack.so",
    "app_userevent.so",
    "app_verbose.so",
    "res_agi.so",
    "cdr_custom.so",
    "cdr_manager.so",
    "cel_custom.so",
    "res_security_log.so",
    "pbx_config.so",
)

#: Call progress tones (ITU-T E.180 supplement 2): cadence, dial, busy, ring, congestion, call waiting, info.
_TONES: Final[Mapping[str, tuple[str, ...]]] = {
    "CN": (
        "1000,4000",
        "450",
        "450/350,0/350",
        "450/1000,0/4000",
        "450/700,0/700",
        "450/400,0/4000",
        "450/100,0/100,450/100,0/100,450/100,0/100,450/400,0/400",
    ),
    "US": (
        "2000,4000",
        "350+440",
        "480+620/500,0/500",
        "440+480/2000,0/4000",
        "480+620/250,0/250",
        "440/300,0/10000",
        "!950/330,!1400/330,!1800/330,0",
    ),
}

_HOST = re.compile(r"[0-9A-Za-z.:_-]{1,253}")
_TOKEN = re.compile(r"[0-9A-Za-z]{1,80}")
_SECRET = re.compile(r"[0-9A-Za-z_-]{16,128}")
_NUMBER = re.compile(r"\+?[0-9]{2,20}")
_CLASS = re.compile(r"[0-9A-Za-z_-]{1,40}")
_SIP_USER = re.compile(r"[0-9A-Za-z+._@-]{1,80}")
_PATH = re.compile(r"[^\x00-\x1f\x7f;,$&|<>(){}\[\]\"'\\^*?%=`]{1,400}")


class RenderError(Exception):
    """The files were not written; those that were there before are still in use. Says which setting to change."""

    error_id = "switch-files-not-rendered"


class UnsafeValue(RenderError):
    """A setting holds characters that would change the meaning of a file of Asterisk's."""

    error_id = "switch-setting-unsafe"

    def __init__(self, key: str, value: str, allowed: str) -> None:
        self.key = key
        shown = "" if "password" in key or "secret" in key else f" ({value!r})"
        super().__init__(f"{key}{shown} cannot be written into Asterisk's files; it may hold {allowed}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class SwitchSecrets:
    """What must not be guessed: letters, digits, - and _, at least 16 of them."""

    ami_events_secret: str
    ami_actions_secret: str
    #: Signs the FastAGI address in the dialplan and makes names of recordings unguessable.
    agi_secret: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where a rendered Asterisk lives: everything below `<data>/asterisk`, sound files beside it."""

    data: Path

    @property
    def home(self) -> Path:
        return self.data / "asterisk"

    @property
    def etc(self) -> Path:
        return self.home / "etc"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def share(self) -> Path:
        return self.home / "share"

    @property
    def run(self) -> Path:
        """Folder of the control socket; below the system's temporary folder where the data path is too long."""
        run = self.home / "run"
        if len(os.fsencode(run)) <= LONGEST_RUN_PATH:
            return run
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"careline-{os.getuid()}-{digest}"

    @property
    def voicemail(self) -> Path:
        return self.data / "voicemail"


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedFolder:
    """What was rendered, and what that changed."""

    layout: Layout
    #: Names of the files that are new, changed or gone.
    changed: frozenset[str]
    #: Recordings are written here.
    recordings: Path

    @property
    def conf(self) -> Path:
        """The file `asterisk -C` names."""
        return self.layout.etc / "asterisk.conf"

    @property
    def needs_restart(self) -> bool:
        """A file changed that a running Asterisk does not read again."""
        return any(name not in _RELOADED_BY for name in self.changed)

    @property
    def reloads(self) -> tuple[str, ...]:
        """Modules to reload in a running Asterisk, each once."""
        return tuple(sorted({_RELOADED_BY[name] for name in self.changed if name in _RELOADED_BY}))


@dataclass(frozen=True, kw_only=True, slots=True)
class DialRule:
    """One way agents write a number, and its E.164 form, both in dialplan words."""

    label: str
    test: str
    number: str


def render(
    options: TelephonyOptions,
    secrets: SwitchSecrets,
    phones: Sequence[Phone],
    binary: AsteriskBinary,
    data: Path,
    prompts: Sequence[Path],
    *,
    first_step_seconds: float = 3.0,
    templates: Path = TEMPLATES,
) -> RenderedFolder:
    """Write every file below `<data>/asterisk` and say what changed.

    `prompts` are folders with one subfolder a language, the house's own last: later ones win.
    `first_step_seconds` is the silence of the service tolerated before its first step.
    Raises UnsafeValue for a setting that no file could hold, RenderError where a file cannot be written.
    """
    layout = Layout(data=Path(os.path.abspath(data)))
    recordings = Path(os.path.abspath(options.recording.folder or layout.data / "recordings"))
    check(options, secrets, phones, layout, recordings)
    texts = render_texts(
        options,
        secrets,
        phones,
        binary,
        layout,
        recordings,
        announce_position=_has_digits(prompts, options.hotline.languages),
        first_step_seconds=first_step_seconds,
        templates=templates,
    )
    try:
        _make_folders(layout, recordings)
        _link_sounds(layout, binary, prompts, options.hotline.languages)
        changed = _write_all(layout.etc, texts)
    except OSError as error:
        raise RenderError(
            f"Asterisk's files could not be written below {layout.home}: {error.strerror}; "
            "files that were there before are unchanged. Make the data folder writable and try again."
        ) from error
    return RenderedFolder(layout=layout, changed=changed, recordings=recordings)


def render_texts(
    options: TelephonyOptions,
    secrets: SwitchSecrets,
    phones: Sequence[Phone],
    binary: AsteriskBinary,
    layout: Layout,
    recordings: Path,
    *,
    announce_position: bool,
    first_step_seconds: float,
    templates: Path = TEMPLATES,
) -> dict[str, str]:
    """File name to text, for every template. Writes nothing."""
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - these are no web pages; `check` and `_one_line` guard the values
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_one_line,
    )
    has = {path.name for path in binary.modules_dir.glob("*.so")} if binary.modules_dir.is_dir() else set()
    sip, trunk, hotline = options.sip, options.trunk, options.hotline
    everywhere = sip.bind in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    opus = ["opus"] if has & {"codec_opus.so", "codec_opus_open_source.so"} else []
    fallback_box = next(
        (name for name, queue in options.queues.items() if queue.fallback), next(iter(options.queues), "")
    )
    advanced = "res_cdrel_custom.so" in has
    values: dict[str, object] = {
        "names": names,
        "folder": layout,
        "modules_dir": binary.modules_dir,
        "modules": [module for module in _MODULES if module in has],
        "switch": options.switch,
        "sip": sip,
        "trunk": trunk,
        "register": bool(trunk.user),
        "secrets": secrets,
        "phones": phones,
        "queues": options.queues,
        "departments": options.departments,
        "rating": [name for name, queue in options.queues.items() if queue.rating and options.rating.enabled],
        "wrapup_paused": options.wrapup_paused,
        "language": hotline.languages[0],
        "languages": hotline.languages,
        "media_address": sip.media_address or ("" if everywhere else sip.bind),
        "bind_media": not everywhere and not sip.media_address,
        "ice_addresses": options.browser_phone.media_addresses,
        "external_address": sip.media_address if sip.media_address != sip.bind else "",
        "desk_codecs": ",".join([*trunk.codecs, *(c for c in ("alaw", "ulaw") if c not in trunk.codecs)]),
        "browser_codecs": ",".join([*opus, "ulaw", "alaw"]),
        "announce_position": announce_position,
        "advanced_mappings": advanced,
        "cel_legacy": ",".join(f"${{CSV_QUOTE({_cel_source(field)})}}" for field in names.CEL_FIELDS),
        "cdr_legacy": ",".join(f"${{CSV_QUOTE({_cdr_source(field)})}}" for field in names.CDR_FIELDS),
        "cdr_fields": ",".join(_cdr_field(field) for field in names.CDR_FIELDS),
        "music": _music(options, binary),
        "tones": _tones(hotline.country),
        "agi": f"{options.switch.agi_host}:{options.switch.agi_port}",
        "first_step_seconds": f"{first_step_seconds:g}",
        # The service may wait for an agent before its first word.
        "seat_seconds": f"{first_step_seconds + 2:g}",
        "longest_seconds": hotline.longest_call_minutes * 60,
        "hold_seconds": HOLD_SECONDS,
        "fallback_box": fallback_box,
        "fallback_seconds": options.queues[fallback_box].max_wait_seconds if fallback_box else 120,
        "last_resort": _last_resort(hotline.last_resort_phone, phones),
        "voicemail_folder": layout.voicemail,
        "voicemail_longest": options.voicemail.longest_seconds,
        # A WAV's head, and 16 bit at 8 kHz.
        "voicemail_least": 44 + max(options.voicemail.shortest_seconds * 16_000, 1),
        "recording": options.recording.enabled,
        "recordings_folder": recordings,
        "emergency": _emergency_numbers(hotline.country),
        "dial_rules": dial_rules(hotline.country, hotline.area_code),
        "allowed_prefixes": sorted(options.fences.allowed_prefixes),
        "refused_prefixes": sorted(options.fences.refused_prefixes),
        "calls_per_hour": options.fences.calls_per_hour,
        "calls_per_phone": options.fences.calls_per_phone,
        "cut_off_seconds": options.fences.longest_call_minutes * 60,
        "number_format": trunk.number_format,
        "caller_id": trunk.caller_id or trunk.user or next(iter(hotline.numbers), "anonymous"),
    }
    texts = {}
    for template in sorted(templates.glob("*.j2")):
        try:
            texts[template.name.removesuffix(".j2")] = engine.get_template(template.name).render(values)
        except jinja2.TemplateError as error:
            raise RenderError(f"{template.name}: {error}; nothing was written.") from error
    return texts


def check(
    options: TelephonyOptions,
    secrets: SwitchSecrets,
    phones: Sequence[Phone],
    layout: Layout,
    recordings: Path,
) -> None:
    """Raise UnsafeValue for the first value that could not stand in one of the files as it is."""
    for key, value, pattern, allowed in _checked(options, secrets, phones, layout, recordings):
        if not pattern.fullmatch(value):
            raise UnsafeValue(key, value, allowed)
    seen: set[str] = set()
    for phone in phones:
        if phone.endpoint in seen or phone.endpoint in options.queues:
            raise RenderError(f"Two phones or queues are named {phone.endpoint}; nothing was written.")
        seen.add(phone.endpoint)
    for name, queue in options.queues.items():
        if queue.overflow and queue.overflow not in options.queues:
            raise RenderError(
                f"telephony.queues.{name}.overflow names {queue.overflow!r}, which is no queue; "
                f"queues are {', '.join(options.queues)}."
            )
    for name, department in options.departments.items():
        if department.queue and department.queue not in options.queues:
            raise RenderError(
                f"telephony.departments.{name}.queue names {department.queue!r}, which is no queue."
            )
    if not options.queues:
        raise RenderError("telephony.queues is empty; callers need at least one queue.")


def _checked(
    options: TelephonyOptions,
    secrets: SwitchSecrets,
    phones: Sequence[Phone],
    layout: Layout,
    recordings: Path,
) -> Iterator[tuple[str, str, re.Pattern[str], str]]:
    host = "letters, digits, '.', ':', '-' and '_'"
    yield "telephony.sip.bind", options.sip.bind, _HOST, host
    if options.sip.media_address:
        yield "telephony.sip.media_address", options.sip.media_address, _HOST, host
    for own, offered in options.browser_phone.media_addresses.items():
        yield "telephony.browser_phone.media_addresses", own, _HOST, host
        yield f"telephony.browser_phone.media_addresses.{own}", offered, _HOST, host
    yield "telephony.trunk.host", options.trunk.host, _HOST, host
    yield "telephony.switch.agi_host", options.switch.agi_host, _HOST, host
    if options.trunk.user:
        yield "telephony.trunk.user", options.trunk.user, _SIP_USER, "letters, digits and + . _ @ -"
        printable = re.compile(r"[!-:<-\[\]-~]{0,120}")
        allowed = "printable ASCII without space, ';' and '\\'"
        yield "telephony.trunk.password", options.trunk.password, printable, allowed
    if options.trunk.caller_id:
        yield (
            "telephony.trunk.caller_id",
            options.trunk.caller_id,
            _NUMBER,
            "digits, with + in front if wanted",
        )
    if options.hotline.last_resort_phone:
        allowed = "a phone's endpoint, or digits with + in front"
        last = re.compile(rf"{_TOKEN.pattern}|{_NUMBER.pattern}")
        yield "telephony.hotline.last_resort_phone", options.hotline.last_resort_phone, last, allowed
    if options.hotline.area_code:
        digits = re.compile("[0-9]{1,6}")
        yield "telephony.hotline.area_code", options.hotline.area_code, digits, "digits"
    for name, queue in options.queues.items():
        yield f"telephony.queues.{name}.music", queue.music, _CLASS, "letters, digits, '-' and '_'"
    for number in options.hotline.numbers:
        yield "telephony.hotline.numbers", number, re.compile(r"\+?[0-9A-Za-z]{1,64}"), "digits and letters"
    secret = "16 to 128 letters, digits, '-' and '_'"  # noqa: S105 - words for a person
    yield "telephony.switch.ami_events_secret", secrets.ami_events_secret, _SECRET, secret
    yield "telephony.switch.ami_actions_secret", secrets.ami_actions_secret, _SECRET, secret
    yield "telephony.switch.agi_secret", secrets.agi_secret, _SECRET, secret
    for phone in phones:
        yield "a phone's endpoint", phone.endpoint, _TOKEN, "letters and digits"
        yield (
            "a phone's secret",
            phone.secret,
            re.compile(r"[0-9A-Za-z_-]{8,128}"),
            "letters, digits, '-', '_'",
        )
        yield "a phone's owner", phone.owner_id, re.compile(r"[0-9A-Za-z-]{1,64}"), "letters, digits and '-'"
    path = "letters, digits, '/', '.', '-', '_' and spaces"
    yield "data", str(layout.data), _PATH, path
    yield "telephony.recording.folder", str(recordings), _PATH, path


def dial_rules(country: str, area_code: str) -> tuple[DialRule, ...]:
    """How what agents dial becomes E.164, first match first: +, international, national, service, local."""
    code = phonenumbers.country_code_for_region(country)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    national = (metadata.national_prefix if metadata else None) or ""
    abroad = "011" if code == 1 else "00"
    number = "${CL_NUMBER}"
    rules = [
        DialRule(label="plus", test='$["${CL_NUMBER:0:1}" = "+"]', number=number),
        DialRule(
            label="abroad",
            test=f'$["${{CL_NUMBER:0:{len(abroad)}}}" = "{abroad}"]',
            number=f"+${{CL_NUMBER:{len(abroad)}}}",
        ),
    ]
    if national:
        length = len(national)
        rules.append(
            DialRule(
                label="national",
                test=f'$["${{CL_NUMBER:0:{length}}}" = "{national}" & ${{LEN({number})}} > 8]',
                number=f"+{code}${{CL_NUMBER:{length}}}",
            )
        )
    if country == "CN":
        service = "^(12[1-9][0-9][0-9]|100[0-9][0-9]|95[0-9][0-9][0-9]+)$"
        rules.append(
            DialRule(label="service", test=f'${{REGEX("{service}" {number})}}', number=f"+{code}{number}")
        )
    if area_code:
        area = area_code.removeprefix(national) if national else area_code
        rules.append(
            DialRule(label="local", test=f"$[${{LEN({number})}} < 9]", number=f"+{code}{area}{number}")
        )
    rules.append(DialRule(label="bare", test=f"$[${{LEN({number})}} > 4]", number=f"+{code}{number}"))
    return tuple(rules)


def _one_line(value: object) -> object:
    """Second fence behind `check`: nothing with a line end or a comment sign gets into a file."""
    if any(sign in str(value) for sign in "\r\n\0;"):
        raise RenderError(f"A value with a line end or ';' cannot be written: {str(value)[:60]!r}")
    return value


def _emergency_numbers(country: str) -> list[str]:
    """Numbers that must always go through, as they are dialed."""
    return [
        str(number) for number in range(100, 1000) if phonenumbers.is_emergency_number(str(number), country)
    ]


def _last_resort(value: str, phones: Sequence[Phone]) -> str:
    """What Dial() gets: an endpoint, or a number through the outbound fences."""
    if not value:
        return ""
    if any(phone.endpoint == value for phone in phones):
        return f"PJSIP/{value}"
    if not _NUMBER.fullmatch(value):
        raise RenderError(
            f"telephony.hotline.last_resort_phone {value!r} is neither a known phone nor a number; "
            "nothing was written."
        )
    return f"Local/{value}@{names.AGENTS}/n"


def _tones(country: str) -> Mapping[str, str]:
    known = country if country in _TONES else "US"
    keys = ("cadence", "dial", "busy", "ring", "congestion", "callwaiting", "info")
    return {"country": known.lower(), **dict(zip(keys, _TONES[known], strict=True))}


def _music(options: TelephonyOptions, binary: AsteriskBinary) -> Mapping[str, str]:
    """Music class to folder. A class a queue names beside `default` plays the same folder's music."""
    if binary.moh_dir is None:
        return {}
    classes = {"default", *(queue.music for queue in options.queues.values())}
    return {name: str(binary.moh_dir) for name in sorted(classes)}


def _cel_source(field: str) -> str:
    """A CEL field in the words of cel_custom's older mappings."""
    if field in ("eventtype", "eventtime", "eventenum", "userdeftype", "eventextra"):
        return f"${{{field}}}"
    if field in ("name", "num", "ani", "rdnis", "dnid"):
        return f"${{CALLERID({field})}}"
    return f"${{CHANNEL({field})}}"


def _cdr_source(field: str) -> str:
    return f"${{CDR({field},u)}}" if field in ("start", "answer", "end") else f"${{CDR({field})}}"


def _cdr_field(field: str) -> str:
    return f"{field}(double)" if field in ("start", "answer", "end") else field


def _has_digits(prompts: Sequence[Path], languages: Iterable[str]) -> bool:
    """Every language has the digits and words that app_queue puts a position together from."""
    wanted = [*(f"digit/{digit}" for digit in range(1, 10)), "queue_position", "queue_position_end"]
    return all(
        any(list(folder.glob(f"{language}/{key}.*")) for folder in prompts)
        for language in languages
        for key in wanted
    )


def _make_folders(layout: Layout, recordings: Path) -> None:
    home = layout.home
    for folder in (
        layout.data,
        home,
        layout.etc,
        layout.log,
        home / "cache",
        home / "lib",
        home / "lib" / "agi-bin",
        home / "lib" / "keys",
        home / "db",
        home / "spool",
        home / "spool" / "monitor",
        layout.share,
        layout.run,
        layout.voicemail,
        recordings,
    ):
        new = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if new and folder in (layout.voicemail, recordings):
            (folder / FOLDER_MARK).touch(mode=0o600)
    if layout.run.stat().st_uid != os.getuid():
        raise RenderError(f"{layout.run} belongs to somebody else; remove it or choose a shorter data path.")
    for name in ("cel-custom", "cdr-custom"):
        # cel_custom and cdr_custom write below a folder of their own; here that is the log folder itself.
        _link(layout.log / name, Path("."))


def _link_sounds(
    layout: Layout, binary: AsteriskBinary, prompts: Sequence[Path], languages: Sequence[str]
) -> None:
    """One tree of links: Asterisk's own sounds, and ours per language below `careline/`, the house's last."""
    sounds = layout.share / "sounds"
    sounds.mkdir(mode=0o700, parents=True, exist_ok=True)
    if binary.sounds_dir is not None:
        for entry in binary.sounds_dir.iterdir():
            _link(sounds / entry.name, entry)
    if binary.documentation_dir is not None:
        _link(layout.share / "documentation", binary.documentation_dir)
    for language in languages:
        wanted: dict[Path, Path] = {}
        for folder in prompts:
            base = Path(os.path.abspath(folder)) / language
            for file in sorted(base.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    wanted[file.relative_to(base)] = file
        ours = sounds / language / "careline"
        for relative, file in wanted.items():
            _link(ours / relative, file)
            if relative.parent == Path("digit") and relative.stem.isdigit():
                _link(sounds / language / "digits" / relative.name, file)
        if ours.is_dir():
            for path in ours.rglob("*"):
                if path.is_symlink() and path.relative_to(ours) not in wanted:
                    path.unlink()


def _link(link: Path, target: Path) -> None:
    """`link` points to `target`, atomically."""
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _write_all(folder: Path, texts: Mapping[str, str]) -> frozenset[str]:
    """Write what is new or different, remove what is no longer rendered; gives the names."""
    changed = set()
    for name, text in texts.items():
        path = folder / name
        body = text.encode()
        if path.is_file() and path.read_bytes() == body:
            continue
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        changed.add(name)
    for path in folder.glob("*.conf"):
        if path.name not in texts:
            path.unlink()
            changed.add(path.name)
    return frozenset(changed)

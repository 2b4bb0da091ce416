"""All settings: defaults, then the TOML file, then the environment (CARELINE__SECTION__KEY).

Unknown keys and impossible values are refused at start with file, key, value and allowed range, all at once.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from access.options import RetentionOptions
from campaigns.options import CampaignOptions
from crm.options import CrmOptions
from ivr.options import IvrOptions
from storage.database import with_connect_timeout
from storage.options import StorageOptions
from telephony.options import CalendarOptions, Options, TelephonyOptions
from telephony.recordings import CHINA_LEAST_DAYS
from web.options import WebOptions

#: Sections and keys whose value must never be shown.
_SECRET = ("password", "secret", "token")


class SettingsError(Exception):
    """The settings cannot be used; nothing was started. `mistakes` holds one sentence each."""

    error_id = "settings-refused"

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class LogOptions(Options):
    """How the service logs."""

    level: str = Field("info", pattern="^(debug|info|warning|error)$")
    format: str = Field("json", pattern="^(json|text)$", description="json for machines, text for a terminal")


class Settings(BaseSettings):
    """Everything an installation may set."""

    model_config = SettingsConfigDict(
        env_prefix="CARELINE__",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    #: What the TOML file said; the environment goes above it.
    file_values: ClassVar[Mapping[str, Any]] = {}

    data: Path = Field(
        Path("data"), description="folder of the database, recordings, spool and rendered files"
    )
    cache: Path = Field(Path(".cache"), description="folder of the private Asterisk")
    dealership: str = Field(
        "示例汽车服务中心", max_length=60, description="name shown to customers and agents"
    )
    role: Literal["house", "dialer"] = Field(
        "house",
        description="house: everything; dialer: only dials agentless campaigns with a switch of its own, beside a "
        "house on the same PostgreSQL",
    )
    telephony: TelephonyOptions = TelephonyOptions()
    calendar: CalendarOptions = CalendarOptions()
    crm: CrmOptions = CrmOptions()
    campaigns: CampaignOptions = CampaignOptions()
    ivr: IvrOptions = IvrOptions()
    storage: StorageOptions = StorageOptions()
    web: WebOptions = WebOptions()
    retention: RetentionOptions = RetentionOptions()
    log: LogOptions = LogOptions()

    @property
    def database_url(self) -> str:
        """The database's address; SQLite below the data folder unless settings name another.

        PostgreSQL's says how long a connection may take, so that everybody who opens it keeps to it.
        """
        if not self.storage.url:
            return f"sqlite+pysqlite:///{(self.data / 'careline.db').absolute()}"
        return with_connect_timeout(self.storage.url, self.storage.connect_seconds)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes above the file; the file arrives as initial values."""
        return env_settings, init_settings


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of `path`, or of the file that CARELINE_CONFIG names, or the defaults.

    Raises SettingsError with every mistake at once.
    """
    environment = os.environ if environment is None else environment
    if path is None and environment.get("CARELINE_CONFIG"):
        path = Path(environment["CARELINE_CONFIG"])
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingsError([f"{path}: there is no such settings file."]) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError([f"{path}: this is not TOML: {error}."]) from error
    unknown = list(_unknown_environment(environment))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        where = str(path or "settings")
        raise SettingsError(
            unknown + [_sentence(where, one, environment) for one in error.errors()]
        ) from error
    mistakes = unknown + list(_contradictions(str(path or "settings"), settings))
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def warnings(path: Path | None, settings: Settings) -> Iterator[str]:
    """What will work but should be mended: a file with secrets that others can read (R41)."""
    if path is None or not path.exists():
        return
    holds = settings.telephony.trunk.password or settings.telephony.switch.ami_actions_secret
    if holds and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield f"{path} holds a password and others can read it: chmod 600 {path}"


def _unknown_environment(environment: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environment):
        if name.startswith("CARELINE__"):
            section = name.split("__")[1].lower()
            if section not in Settings.model_fields:
                known = ", ".join(sorted(Settings.model_fields))
                yield f"environment: {name}: there is no section {section}; sections are {known}."


def _sentence(where: str, error: ErrorDetails, environment: Mapping[str, str]) -> str:
    parts = [str(part) for part in error["loc"]]
    key = ".".join(parts)
    variable = "CARELINE__" + "__".join(parts).upper()
    source = "environment" if variable in environment else where
    if error["type"] == "extra_forbidden":
        known = ", ".join(sorted(_known_keys(parts[:-1]))) or "none here"
        return f"{source}: {key}: there is no such key; keys here are {known}."
    value = "(not shown)" if any(word in parts[-1] for word in _SECRET) else repr(error["input"])
    schema = _schema(parts)
    allowed = _allowed(schema) or error["msg"]
    about = f" ({schema['description']})" if schema.get("description") else ""
    return f"{source}: {key} = {value}: {error['msg']}; allowed: {allowed}{about}."


def _allowed(schema: Mapping[str, Any]) -> str:
    words = []
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None or high is not None:
        words.append(f"{low} to {high}" if high is not None else f"from {low}")
    if "enum" in schema:
        words.append(", ".join(str(one) for one in schema["enum"]))
    if "pattern" in schema:
        words.append(f"text like {schema['pattern']}")
    if not words and "type" in schema:
        words.append(str(schema["type"]))
    return "; ".join(words)


def _schema(parts: list[str]) -> Mapping[str, Any]:
    whole = Settings.model_json_schema()
    node: Mapping[str, Any] = whole
    for part in parts:
        node = _resolve(whole, node)
        if part in node.get("properties", {}):
            node = node["properties"][part]
        elif part.isdigit() and "items" in node:
            node = node["items"]
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
        else:
            return {}
    described = node.get("description")
    found = dict(_resolve(whole, node))
    if described:
        found["description"] = described
    return found


def _resolve(whole: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference:
        resolved: Mapping[str, Any] = whole["$defs"][reference.rsplit("/", 1)[1]]
        return resolved
    return node


def _known_keys(parts: list[str]) -> list[str]:
    whole = Settings.model_json_schema()
    return list(_resolve(whole, _schema(parts) if parts else whole).get("properties", {}))


def _contradictions(where: str, settings: Settings) -> Iterator[str]:
    """Values that are each possible but not together."""
    try:
        ZoneInfo(settings.calendar.zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield (
            f"{where}: calendar.zone = {settings.calendar.zone!r}: no such time zone; "
            "allowed: an IANA name such as Asia/Shanghai."
        )
    try:
        make_url(settings.database_url)
    except ArgumentError:
        yield (
            f"{where}: storage.url (not shown): this is no database address; allowed: empty for SQLite, "
            "sqlite:////FILE, or postgresql+psycopg://USER:PASSWORD@HOST/NAME."
        )
    phone = settings.telephony
    if phone.sip.rtp_first >= phone.sip.rtp_last:
        yield (
            f"{where}: telephony.sip.rtp_last = {phone.sip.rtp_last}: must be above rtp_first = "
            f"{phone.sip.rtp_first}; allowed: two ports a call."
        )
    for name, queue in phone.queues.items():
        if queue.overflow and queue.overflow not in phone.queues:
            yield (
                f"{where}: telephony.queues.{name}.overflow = {queue.overflow!r}: no such queue; "
                f"allowed: {', '.join(sorted(phone.queues))} or empty."
            )
    for name, department in phone.departments.items():
        if bool(department.queue) == bool(department.number):
            yield f"{where}: telephony.departments.{name}: name either a queue or a number."
        elif department.queue and department.queue not in phone.queues:
            yield (
                f"{where}: telephony.departments.{name}.queue = {department.queue!r}: no such queue; "
                f"allowed: {', '.join(sorted(phone.queues))}."
            )
    if phone.recording.china_profile and phone.recording.keep_days < CHINA_LEAST_DAYS:
        yield (
            f"{where}: telephony.recording.keep_days = {phone.recording.keep_days}: the China profile asks "
            f"for at least {CHINA_LEAST_DAYS} days; allowed: {CHINA_LEAST_DAYS} to 3650, or switch "
            "telephony.recording.china_profile off."
        )
    for number, span in enumerate(settings.calendar.spans):
        if span.open >= span.close:
            yield (f"{where}: calendar.spans.{number}.close = {span.close!r}: must be after {span.open!r}.")
    ports = {
        "telephony.switch.ami_port": phone.switch.ami_port,
        "telephony.switch.agi_port": phone.switch.agi_port,
        "telephony.switch.http_port": phone.switch.http_port,
        "web.port": settings.web.port,
    }
    for key, port in ports.items():
        twins = [other for other, used in ports.items() if used == port and other != key]
        if twins:
            yield f"{where}: {key} = {port}: {twins[0]} has the same port; give each its own."

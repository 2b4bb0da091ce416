"""All settings: defaults, then the TOML file, then the environment (CARELINE__SECTION__KEY).

Unknown keys and impossible values are refused at start with file, key, value and allowed range.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from ivr.options import IvrOptions
from storage.options import StorageOptions
from telephony.options import CalendarOptions, Options, TelephonyOptions
from web.options import WebOptions


class LogOptions(Options):
    level: str = Field("info", pattern="^(debug|info|warning|error)$")
    format: str = Field("json", pattern="^(json|text)$")


class Settings(BaseSettings):
    """Everything an installation may set."""

    model_config = SettingsConfigDict(
        env_prefix="CARELINE__",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data: Path = Field(
        Path("data"), description="folder of the database, recordings, spool and rendered files"
    )
    dealership: str = Field("示例汽车服务中心", description="name said and shown to customers")
    telephony: TelephonyOptions = TelephonyOptions()
    calendar: CalendarOptions = CalendarOptions()
    ivr: IvrOptions = IvrOptions()
    storage: StorageOptions = StorageOptions()
    web: WebOptions = WebOptions()
    log: LogOptions = LogOptions()

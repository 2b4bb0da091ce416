"""Settings of the web side."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from access.permissions import Role
from access.users import Language
from crm.hooks.options import HookOptions


class TlsOptions(BaseModel):
    """https by the service itself; without it a reverse proxy does it, or nobody (this machine alone)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: str = Field("", description="PEM file: certificate, then those that signed it; empty: http")
    key: str = Field("", description="PEM file of its private key, readable by the service's user alone")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together: set both, or neither")
        return self


class WebOptions(BaseModel):
    """Address, public name, deadlines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    tls: TlsOptions = TlsOptions()
    public_url: str = Field("", description="address customers' links and provider callbacks use")
    trusted_proxies: list[str] = Field(
        [], description="addresses of our own reverse proxies; only their X-Forwarded-For is believed"
    )
    session_idle_minutes: int = Field(60, ge=5, le=1440)
    session_longest_hours: int = Field(14, ge=1, le=168)
    session_address: Literal["same", "any"] = Field(
        "same", description="same: a session counts only from the address it began at"
    )
    body_seconds: float = Field(10.0, ge=1, le=120, description="deadline for a request body")
    body_bytes: int = Field(1_048_576, ge=1024, le=1_073_741_824)
    idle_seconds: float = Field(
        15.0, ge=1, le=600, description="a connection without a complete request head is closed after this"
    )
    connections: int = Field(2000, ge=10, le=100_000, description="most connections at once")
    connections_per_address: int = Field(100, ge=1, le=10_000)
    login_tries: int = Field(
        8, ge=1, le=100, description="wrong passwords per login and address in 15 minutes"
    )
    code_roles: list[Role] = Field(
        [], description="roles that must have a second factor; everybody else may have one"
    )
    pauses: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")], dict[Language, str]] = Field(
        {"meal": {}, "break": {}, "training": {}, "meeting": {}, "back-office": {}},
        description="reasons for a pause agents choose from, in this order, with words by language (zh-CN, en);"
        " those shipped have words of their own",
    )
    live_clients: int = Field(400, ge=1, le=10_000, description="most open pages with live events")
    live_write_seconds: float = Field(
        5.0, ge=0.1, le=60, description="a page that does not read its live events for this long is dropped"
    )
    api_per_minute: int = Field(6000, ge=1, le=10_000_000, description="requests of one API token")
    hooks: HookOptions = HookOptions()
    stop_seconds: float = Field(5.0, ge=0, le=60, description="requests may finish for this long at a stop")

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("begins with https:// or http://")
        return value.rstrip("/")

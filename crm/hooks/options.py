"""Settings of webhooks out."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crm.hooks.addresses import Rules, read_place


class HookOptions(BaseModel):
    """Where events may be sent, how long it is tried, and what is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow_inside: list[str] = Field(
        [], description="host:port of machines of the house that events may be sent to, as in the address"
    )
    allow_http: bool = Field(
        False, description="addresses may begin with http://: anybody on the way can read"
    )
    ports: list[int] = Field([443], description="ports outside the house that may be sent to")
    ca_file: str = Field("", description="further certificate authorities (PEM), for machines of the house")
    timeout_seconds: float = Field(10.0, ge=0.2, le=60, description="for one try, from look-up to answer")
    answer_bytes: int = Field(65_536, ge=0, le=1_048_576, description="more of an answer is not read")
    longest_hours: float = Field(24.0, ge=0.1, le=168, description="a delivery is given up after this")
    disable_days: float = Field(
        3.0, ge=0.1, le=60, description="a subscription is switched off when nothing arrived for so long"
    )
    keep_days: int = Field(30, ge=1, le=365, description="how long the log of deliveries is kept")
    most: int = Field(50, ge=1, le=1000, description="most subscriptions")
    parallel: int = Field(8, ge=1, le=64, description="deliveries at once")
    parallel_per_address: int = Field(2, ge=1, le=16, description="deliveries at once to one address")

    @field_validator("ca_file")
    @classmethod
    def _is_a_file(cls, value: str) -> str:
        if value and not Path(value).is_file():
            raise ValueError("there is no such file")
        return value

    @field_validator("allow_inside")
    @classmethod
    def _are_places(cls, value: list[str]) -> list[str]:
        for text in value:
            read_place(text)
        return value

    @field_validator("ports")
    @classmethod
    def _are_ports(cls, value: list[int]) -> list[int]:
        if any(not 1 <= port <= 65535 for port in value):
            raise ValueError("ports are 1 to 65535")
        return value

    def rules(self) -> Rules:
        """What an address may be."""
        return Rules(
            inside=frozenset(read_place(text) for text in self.allow_inside),
            ports=frozenset(self.ports),
            allow_http=self.allow_http,
        )

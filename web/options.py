"""Settings of the web side."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class WebOptions(BaseModel):
    """Address, public name, deadlines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    public_url: str = Field("", description="address customers' links and provider callbacks use")
    session_idle_minutes: int = Field(60, ge=5, le=1440)
    session_longest_hours: int = Field(14, ge=1, le=168)
    body_seconds: float = Field(10.0, ge=1, le=120, description="deadline for a request body")
    body_bytes: int = Field(1_048_576, ge=1024, le=1_073_741_824)
    connections_per_address: int = Field(100, ge=1, le=10_000)
    login_tries: int = Field(
        8, ge=1, le=100, description="wrong passwords per login and address in 15 minutes"
    )

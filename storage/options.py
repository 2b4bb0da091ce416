"""Settings of the database."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StorageOptions(BaseModel):
    """Where rows live."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        "",
        description="SQLAlchemy address; empty: SQLite below the data folder; postgresql+psycopg://… for PostgreSQL",
    )
    readers: int = Field(4, ge=1, le=64, description="reading connections")
    writers: int = Field(8, ge=1, le=64, description="writing connections on PostgreSQL; SQLite has one")
    connect_seconds: int = Field(
        5, ge=2, le=60, description="longest wait for PostgreSQL to take a new connection, per host"
    )
    pool_seconds: float = Field(10.0, gt=0, le=120, description="longest wait for a connection")

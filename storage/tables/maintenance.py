"""Tables of maintenance plans, readings of odometers, and vehicles whose forecast is to be reckoned anew."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from storage.tables.base import Json, Utc, metadata

#: Every version of every plan; what holds is the highest of its id.
maintenance_plans = Table(
    "maintenance_plans",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("version", Integer, primary_key=True),
    #: "brand/model" while it holds: one plan a model, whoever writes at the same time. NULL: an old version.
    Column("holds", String(128), unique=True),
    Column("brand", String(32), nullable=False),
    Column("model", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    #: Intervals, lead, items.
    Column("body", Json, nullable=False),
    Column("saved_at", Utc, nullable=False),
    Column("saved_by", String(26)),
    Column("saved_by_name", String(64), nullable=False),
    Column("retired_at", Utc),
    #: A version that was saved for a day to come: the newest of its plan that does not hold yet.
    Column("begins_on", Date),
)

#: What an odometer showed, where it was no visit to the workshop: asked in a call, seen on the forecourt.
odometer_readings = Table(
    "odometer_readings",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), nullable=False),
    Column("read_on", Date, nullable=False),
    Column("km", Integer, nullable=False),
    Column("source", String(16), nullable=False),
    Column("call_id", String(26), index=True),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("at", Utc, nullable=False),
    UniqueConstraint("vehicle_id", "read_on", "source"),
)

#: Vehicles whose forecast is to be reckoned anew.
forecast_marks = Table(
    "forecast_marks",
    metadata,
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), primary_key=True),
    Column("at", Utc, nullable=False),
    Index("ix_forecast_marks_at", "at", "vehicle_id"),
)

#: How far each source was read: visits and deliveries that came by import are found by what is new in them.
forecast_cursors = Table(
    "forecast_cursors",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("at", Utc, nullable=False),
    Column("last_id", String(64), nullable=False),
)

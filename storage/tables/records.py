"""Tables of customers, their numbers and their vehicles."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Text

from storage.tables.base import Utc, metadata

#: Sorted byte by byte whatever the server's locale, so that a search by beginning is a range of the index.
_Bytewise = String(128).with_variant(String(128, collation="C"), "postgresql")

customers = Table(
    "customers",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Customer number by the house's rule; never used again.
    Column("number", String(32), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    #: Folded to one width and case: what a search by name looks at.
    Column("name_key", _Bytewise, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("honorific", String(8), nullable=False),
    Column("language", String(8)),
    Column("key_account", Boolean, nullable=False),
    Column("own_agent_id", String(26), ForeignKey("users.id"), index=True),
    Column("note", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

#: The last serial given out, per rule.
serials = Table(
    "serials",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)

phone_numbers = Table(
    "phone_numbers",
    metadata,
    #: E.164.
    Column("number", String(20), primary_key=True),
    #: Digits back to front, so that a search for the last digits uses an index.
    Column("reversed", String(20), nullable=False, index=True),
    Column("first_seen_at", Utc, nullable=False),
)

contacts = Table(
    "contacts",
    metadata,
    Column("customer_id", String(26), ForeignKey("customers.id"), primary_key=True),
    Column("number", String(20), ForeignKey("phone_numbers.number"), primary_key=True),
    Column("label", String(16), nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Column("since", Utc, nullable=False),
    #: When it stopped being this customer's; the row stays as history.
    Column("ended_at", Utc),
    Index("ix_contacts_number", "number"),
)

vehicles = Table(
    "vehicles",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Not unique: plates are given to other vehicles.
    Column("plate", String(16), index=True),
    #: Telephone keys back to front: what a caller types is found by its tail.
    Column("plate_keys", String(16), index=True),
    Column("vin", String(17), unique=True),
    Column("vin_keys", String(17), index=True),
    Column("brand", String(32), nullable=False),
    Column("model", String(64), nullable=False),
    Column("delivered_on", Date),
    Column("mileage", Integer),
    Column("last_service_on", Date),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

vehicle_people = Table(
    "vehicle_people",
    metadata,
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("since", Utc, nullable=False),
    #: When the vehicle was sold, or the driver left.
    Column("ended_at", Utc),
    Index("ix_vehicle_people_customer_id", "customer_id"),
)

"""Tables of customers, their numbers and vehicles, what they bought and had done, and every change of it.

Columns that came with a later revision stand last in their table, as an upgraded database has them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.tables.base import Json, Utc, metadata

#: Sorted byte by byte whatever the server's locale, so that a search by beginning is a range of the index.
_Bytewise = String(128).with_variant(String(128, collation="C"), "postgresql")
_BytewiseValue = String(500).with_variant(String(500, collation="C"), "postgresql")

customers = Table(
    "customers",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Customer number by the house's rule; never used again.
    Column("number", String(32), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    #: Folded to one width and case: what a search by name looks at.
    Column("name_key", _Bytewise, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("honorific", String(8), nullable=False),
    Column("language", String(8)),
    Column("key_account", Boolean, nullable=False),
    Column("own_agent_id", String(26), ForeignKey("users.id"), index=True),
    Column("note", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    #: Raised by every change: who edits an older one is told what has changed meanwhile.
    Column("version", Integer, nullable=False, server_default="1"),
    Column("sex", String(8)),
    Column("birthday", Date),
    Column("occupation", String(64), nullable=False, server_default=""),
    Column("address", String(200), nullable=False, server_default=""),
    #: How the house came to know the customer.
    Column("source", String(32), nullable=False, server_default=""),
    # What a prospect wants (M-041).
    Column("need", String(200), nullable=False, server_default=""),
    Column("budget", String(64), nullable=False, server_default=""),
    Column("focus", String(200), nullable=False, server_default=""),
    Column("purchase_expected_on", Date),
    #: Where the paper file stands (M-036, M-045).
    Column("paper_file", String(64), nullable=False, server_default=""),
    Column("secrecy", String(16), nullable=False, server_default="normal"),
    # Classification (M-057): grades a rule or a person gave, and the class they make.
    Column("value_grade", String(8)),
    Column("loyalty_grade", String(8)),
    Column("potential_grade", String(8)),
    Column("customer_class", String(8)),
    #: "rule" or "person": what a person set is not overwritten by the rule.
    Column("classed_by", String(8), nullable=False, server_default="rule"),
    Column("credit_grade", String(8)),
    #: Cadence of visits to a key account; None: the class's plan says it.
    Column("visit_every_days", Integer),
    #: Last talk or visit of a person of the house; what the cadence counts from.
    Column("visited_on", Date),
    #: The record this one was merged into: it stays as a pointer, without numbers or vehicles of its own,
    #: and is in no list (`storage.merging`).
    Column("merged_into", String(26)),
    Index("ix_customers_name_key_number", "name_key", "number"),
    Index("ix_customers_customer_class_number", "customer_class", "number"),
)
Index(
    "ix_customers_merged_into",
    customers.c.merged_into,
    sqlite_where=customers.c.merged_into.is_not(None),
    postgresql_where=customers.c.merged_into.is_not(None),
)
#: Key accounts are few: their list reads this index, not the table.
Index(
    "ix_customers_key_accounts",
    customers.c.number,
    sqlite_where=text("key_account = 1"),
    postgresql_where=text("key_account"),
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
    #: Somebody else answered there: it is dialed no more until somebody says that it is right.
    Column("wrong_since", Utc),
    Index("ix_contacts_number", "number"),
)

vehicles = Table(
    "vehicles",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Not unique: plates are given to other vehicles.
    Column("plate", String(16)),
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
    Column("version", Integer, nullable=False, server_default="1"),
    #: owned, sold, scrapped, moved; only what is owned is looked after.
    Column("state", String(16), nullable=False, server_default="owned"),
    Column("state_since", Date),
    #: What it is used for (M-040).
    Column("purpose", String(64), nullable=False, server_default=""),
    Column("mileage_on", Date),
    Column("next_due_on", Date),
    Column("next_due_mileage", Integer),
    #: Why it is due then, in the words of who said so.
    Column("next_due_why", String(64), nullable=False, server_default=""),
    #: How many were handed over in a month, and which.
    Index("ix_vehicles_delivered_on_id", "delivered_on", "id"),
    #: Lists walk these: by plate, by the day of the next service, and of one model by that day.
    Index("ix_vehicles_plate_id", "plate", "id"),
    Index("ix_vehicles_next_due_on_id", "next_due_on", "id"),
    Index("ix_vehicles_model_next_due_on_id", "model", "next_due_on", "id"),
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

#: What was bought (M-042). Money in hundredths of the house's currency.
purchases = Table(
    "purchases",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), index=True),
    Column("bought_on", Date, nullable=False),
    Column("model", String(64), nullable=False),
    Column("price_cents", BigInteger),
    Column("payment", String(16), nullable=False),
    Column("invoice", String(64), nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_purchases_customer_id_bought_on", "customer_id", "bought_on", "id"),
    #: The same invoice is the same purchase: a second import changes nothing.
    Index("ix_purchases_invoice", "invoice"),
)

#: What the workshop did.
#: First maintenance stands out among what comes due (`storage.due_weeks`).
Index(
    "ix_vehicles_first_due",
    vehicles.c.next_due_on,
    vehicles.c.id,
    sqlite_where=text("substr(next_due_why, 1, 10) = 'plan first'"),
    postgresql_where=text("substr(next_due_why, 1, 10) = 'plan first'"),
)

service_visits = Table(
    "service_visits",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), nullable=False),
    #: Who brought it; None: not known.
    Column("customer_id", String(26), ForeignKey("customers.id")),
    Column("visited_on", Date, nullable=False),
    Column("mileage", Integer),
    Column("kind", String(16), nullable=False),
    Column("amount_cents", BigInteger),
    #: Repair order; empty where there is none.
    Column("order_number", String(64), nullable=False),
    Column("next_due_on", Date),
    Column("next_due_mileage", Integer),
    Column("note", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_service_visits_vehicle_id_visited_on", "vehicle_id", "visited_on", "id"),
    Index("ix_service_visits_customer_id", "customer_id"),
    Index("ix_service_visits_order_number", "order_number"),
    #: How many came in a month, and which: counted and read in this order.
    Index("ix_service_visits_visited_on_id", "visited_on", "id"),
)

#: Who changed which field from what to what; append-only, in the transaction of the change.
record_changes = Table(
    "record_changes",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Utc, nullable=False),
    #: "customer:ID", "vehicle:ID", "field:ID" or "classes".
    Column("subject", String(40), nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("field", String(64), nullable=False),
    #: As a person reads them; numbers are masked when they are shown, not here.
    Column("old", Text, nullable=False),
    Column("new", Text, nullable=False),
    #: Why, where a reason is asked for (credit, class).
    Column("why", String(200), nullable=False),
    #: The record's version after the change.
    Column("version", Integer, nullable=False),
    Index("ix_record_changes_subject_at", "subject", "at", "id"),
)

#: Fields the house defines itself.
fields = Table(
    "fields",
    metadata,
    Column("id", String(26), primary_key=True),
    #: "customer" or "vehicle".
    Column("subject", String(16), nullable=False),
    #: Word for programs: imports, API, queries.
    Column("key", String(32), nullable=False),
    Column("label_zh", String(64), nullable=False),
    Column("label_en", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("choices", Json, nullable=False),
    Column("required", Boolean, nullable=False),
    #: Roles that do not see it, and roles that see but may not change it.
    Column("hidden_from", Json, nullable=False),
    Column("locked_for", Json, nullable=False),
    Column("place", Integer, nullable=False),
    Column("retired_at", Utc),
    Column("version", Integer, nullable=False),
    UniqueConstraint("subject", "key"),
)

#: Values of such fields, as text that sorts as the value does.
field_values = Table(
    "field_values",
    metadata,
    Column("owner_id", String(26), nullable=False),
    Column("field_id", String(26), ForeignKey("fields.id"), nullable=False),
    Column("value", _BytewiseValue, nullable=False),
    PrimaryKeyConstraint("owner_id", "field_id"),
    Index("ix_field_values_field_id_value", "field_id", "value", "owner_id"),
    sqlite_with_rowid=False,
)

#: What the house has set about records, such as the rule of classes: a JSON value each.
record_settings = Table(
    "record_settings",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

#: What is found by its beginning: parts of names, pinyin and initials, plates. Different customers of one
#: name share its rows, so that the table grows with the names, not with the customers.
search_terms = Table(
    "search_terms",
    metadata,
    Column("term", _Bytewise, nullable=False),
    #: "name": `key` is a `customers.name_key`; "plate": it is a `vehicles.plate`.
    Column("kind", String(8), nullable=False),
    Column("key", _Bytewise, nullable=False),
    PrimaryKeyConstraint("term", "kind", "key"),
    sqlite_with_rowid=False,
)

"""What a customer bought, and what the workshop did: the history of a vehicle (M-042, M-039)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Payment(StrEnum):
    """How a vehicle was paid for."""

    CASH = "cash"
    TRANSFER = "transfer"
    LOAN = "loan"
    LEASE = "lease"
    TRADE_IN = "trade_in"
    UNKNOWN = "unknown"


class VisitKind(StrEnum):
    """Why a vehicle was in the workshop."""

    FIRST = "first"  # first maintenance
    PERIODIC = "periodic"
    REPAIR = "repair"
    BODY = "body"  # accident, paint
    RECALL = "recall"
    WARRANTY = "warranty"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """One purchase of a vehicle."""

    id: str
    customer_id: str
    vehicle_id: str | None = None
    bought_on: date
    model: str = ""
    #: Hundredths of the house's currency (CNY: fen).
    price_cents: int | None = None
    payment: Payment = Payment.UNKNOWN
    #: Number of the dealer's invoice.
    invoice: str = ""
    note: str = ""
    created_at: datetime
    updated_at: datetime
    version: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceVisit:
    """One visit to the workshop."""

    id: str
    vehicle_id: str
    #: Who brought it.
    customer_id: str | None = None
    visited_on: date
    #: Kilometres.
    mileage: int | None = None
    kind: VisitKind = VisitKind.OTHER
    amount_cents: int | None = None
    #: Number of the repair order.
    order_number: str = ""
    next_due_on: date | None = None
    next_due_mileage: int | None = None
    note: str = ""
    created_at: datetime
    updated_at: datetime
    version: int = 1

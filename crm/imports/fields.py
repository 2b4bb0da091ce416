"""What a list may hold: the kinds of list, their fields, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crm.consent.optouts import Channel, Purpose
from crm.imports.cells import (
    Cell,
    House,
    read_amount,
    read_choice,
    read_code,
    read_count,
    read_day,
    read_phones,
    read_plate,
    read_text,
    read_vin,
    read_words,
    says_nothing,
)
from crm.records.contacts import Label
from crm.records.customers import LONGEST_NAME, CustomerKind, Honorific, clean_name
from crm.records.purchases import Payment
from crm.records.vehicles import Role

#: A value that was read: plain JSON.
Value = str | int | bool | list[str]


class ImportKind(StrEnum):
    """What a list is about; decides its fields and what a row becomes."""

    CUSTOMERS = "customers"  # sales hand-over: a customer and the vehicle
    VISITS = "visits"  # repair orders
    VEHICLES = "vehicles"
    CONTACTS = "contacts"  # further numbers of customers on record
    OPTOUTS = "optouts"  # who does not want to be contacted


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One thing a column may say."""

    name: str
    #: Reads a cell; None: it says nothing. Raises CellError.
    read: Callable[[Cell, House], Value | None]


def _words(longest: int) -> Callable[[Cell, House], Value | None]:
    def read(cell: Cell, _house: House) -> Value | None:
        text = read_words(cell, longest)
        return None if says_nothing(text) else text

    return read


def _name(cell: Cell, _house: House) -> Value | None:
    text = read_words(cell, LONGEST_NAME)
    return None if says_nothing(text) else clean_name(text)


def _code(cell: Cell, _house: House) -> Value | None:
    text = read_code(cell) if not says_nothing(read_text(cell)) else ""
    return text or None


def _phones(cell: Cell, house: House) -> Value | None:
    return list(read_phones(cell, house)) or None


def _day(cell: Cell, house: House) -> Value | None:
    day = read_day(cell, house)
    return None if day is None else day.isoformat()


def _mileage(cell: Cell, _house: House) -> Value | None:
    return read_count(cell, 3_000_000)


def _money(cell: Cell, _house: House) -> Value | None:
    amount = read_amount(cell, 10_000_000)
    return None if amount is None else f"{amount:.2f}"


def _plate(cell: Cell, _house: House) -> Value | None:
    return read_plate(cell)


def _vin(cell: Cell, _house: House) -> Value | None:
    return read_vin(cell)


def _choice(words: Mapping[str, str]) -> Callable[[Cell, House], Value | None]:
    def read(cell: Cell, _house: House) -> Value | None:
        return read_choice(cell, words)

    return read


def _yes(cell: Cell, _house: House) -> Value | None:
    found = read_choice(cell, _YES)
    return None if found is None else found == "yes"


_YES: Final = {
    **dict.fromkeys(("是", "y", "yes", "true", "1", "√", "✓", "v"), "yes"),
    **dict.fromkeys(("否", "n", "no", "false", "0", "×", "x"), "no"),
}
_KINDS: Final = {
    **dict.fromkeys(("个人", "私人", "私", "个人客户", "自然人", "person"), CustomerKind.PERSON.value),
    **dict.fromkeys(
        ("单位", "公司", "企业", "公", "单位客户", "集团", "company"), CustomerKind.COMPANY.value
    ),
}
_HONORIFICS: Final = {
    **dict.fromkeys(("男", "先生", "男士", "m", "male", "mr", "mr."), Honorific.MR.value),
    **dict.fromkeys(("女", "女士", "小姐", "f", "female", "ms", "ms.", "mrs", "mrs."), Honorific.MS.value),
}
_LANGUAGES: Final = {
    **dict.fromkeys(("中文", "汉语", "普通话", "chinese", "zh", "zh-cn"), "zh-CN"),
    **dict.fromkeys(("英文", "英语", "english", "en"), "en"),
}
_ROLES: Final = {
    **dict.fromkeys(("车主", "所有人", "owner"), Role.OWNER.value),
    **dict.fromkeys(("司机", "驾驶员", "驾驶人", "使用人", "用车人", "driver"), Role.DRIVER.value),
    **dict.fromkeys(("付款人", "付费人", "payer"), Role.PAYER.value),
    **dict.fromkeys(("联系人", "送修人", "contact"), Role.CONTACT.value),
}
_LABELS: Final = {
    **dict.fromkeys(("手机", "移动电话", "mobile", "cell"), Label.MOBILE.value),
    **dict.fromkeys(("家庭", "住宅", "宅电", "home"), Label.HOME.value),
    **dict.fromkeys(("单位", "办公", "公司", "work", "office"), Label.WORK.value),
    **dict.fromkeys(("其他", "其它", "other"), Label.OTHER.value),
}
_PURPOSES: Final = {
    **dict.fromkeys(("全部", "所有", "all"), Purpose.ALL.value),
    **dict.fromkeys(("广告", "营销", "推广", "advertising", "marketing"), Purpose.ADVERTISING.value),
    **dict.fromkeys(("回访", "调查", "visits", "survey"), Purpose.VISITS.value),
    **dict.fromkeys(("提醒", "保养提醒", "reminders", "reminder"), Purpose.REMINDERS.value),
}
_CHANNELS: Final = {
    **dict.fromkeys(("全部", "所有", "all"), Channel.ALL.value),
    **dict.fromkeys(("电话", "外呼", "call", "phone"), Channel.CALL.value),
    **dict.fromkeys(("短信", "text", "sms"), Channel.TEXT.value),
}

_PAYMENTS: Final = {
    **dict.fromkeys(("现金", "全款", "cash"), Payment.CASH.value),
    **dict.fromkeys(("转账", "银行转账", "刷卡", "transfer"), Payment.TRANSFER.value),
    **dict.fromkeys(("贷款", "按揭", "分期", "分期付款", "loan"), Payment.LOAN.value),
    **dict.fromkeys(("租赁", "融资租赁", "lease"), Payment.LEASE.value),
    **dict.fromkeys(("置换", "旧车置换", "以旧换新", "trade-in", "tradein"), Payment.TRADE_IN.value),
}

_CUSTOMER_NUMBER: Final = Field(name="customer_number", read=_code)
_SOURCE_ID: Final = Field(name="source_id", read=_code)
_NAME: Final = Field(name="name", read=_name)
_PHONE: Final = Field(name="phone", read=_phones)
_PHONE_2: Final = Field(name="phone_2", read=_phones)
_VIN: Final = Field(name="vin", read=_vin)
_PLATE: Final = Field(name="plate", read=_plate)
_BRAND: Final = Field(name="brand", read=_words(32))
_MODEL: Final = Field(name="model", read=_words(64))
_DELIVERED: Final = Field(name="delivered_on", read=_day)
_MILEAGE: Final = Field(name="mileage", read=_mileage)
_LAST_SERVICE: Final = Field(name="last_service_on", read=_day)
_NOTE: Final = Field(name="note", read=_words(2000))
_ROLE: Final = Field(name="role", read=_choice(_ROLES))

_CUSTOMER_FIELDS: Final = (_NAME, _PHONE, _PHONE_2, _CUSTOMER_NUMBER, _SOURCE_ID)

#: Kind to its fields, in the order they are shown.
FIELDS: Final[Mapping[ImportKind, tuple[Field, ...]]] = {
    ImportKind.CUSTOMERS: (
        *_CUSTOMER_FIELDS,
        Field(name="honorific", read=_choice(_HONORIFICS)),
        Field(name="kind", read=_choice(_KINDS)),
        Field(name="language", read=_choice(_LANGUAGES)),
        Field(name="key_account", read=_yes),
        Field(name="source", read=_words(32)),
        _NOTE,
        _VIN,
        _PLATE,
        _BRAND,
        _MODEL,
        _DELIVERED,
        _MILEAGE,
        _LAST_SERVICE,
        _ROLE,
        Field(name="bought_on", read=_day),
        Field(name="price", read=_money),
        Field(name="payment", read=_choice(_PAYMENTS)),
        Field(name="invoice", read=_code),
    ),
    ImportKind.VEHICLES: (
        _VIN,
        _PLATE,
        _BRAND,
        _MODEL,
        _DELIVERED,
        _MILEAGE,
        _LAST_SERVICE,
        _CUSTOMER_NUMBER,
        _SOURCE_ID,
        _ROLE,
    ),
    ImportKind.VISITS: (
        Field(name="order_number", read=_code),
        _VIN,
        _PLATE,
        Field(name="visited_on", read=_day),
        Field(name="closed_on", read=_day),
        _MILEAGE,
        Field(name="work", read=_words(500)),
        Field(name="amount", read=_money),
        Field(name="advisor", read=_words(64)),
        *_CUSTOMER_FIELDS,
    ),
    ImportKind.CONTACTS: (
        _CUSTOMER_NUMBER,
        _SOURCE_ID,
        _NAME,
        _PHONE,
        Field(name="label", read=_choice(_LABELS)),
    ),
    ImportKind.OPTOUTS: (
        _PHONE,
        Field(name="purpose", read=_choice(_PURPOSES)),
        Field(name="channel", read=_choice(_CHANNELS)),
        Field(name="since", read=_day),
        Field(name="proof", read=_words(500)),
    ),
}

#: What every row must say, per kind: each tuple asks for one of its fields.
NEEDED: Final[Mapping[ImportKind, tuple[tuple[str, ...], ...]]] = {
    ImportKind.CUSTOMERS: (("name",), ("phone", "vin", "customer_number", "source_id")),
    ImportKind.VEHICLES: (("vin",),),
    ImportKind.VISITS: (("vin", "plate"), ("visited_on",)),
    ImportKind.CONTACTS: (("customer_number", "source_id"), ("phone",)),
    ImportKind.OPTOUTS: (("phone",),),
}


def field_of(kind: ImportKind, name: str) -> Field | None:
    """The field of this name, where lists of this kind have it."""
    return next((one for one in FIELDS[kind] if one.name == name), None)

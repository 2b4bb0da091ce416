"""What is said in a survey, with the customer's data in it; and a response as a viewer may read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.masking import mask_name, mask_number, mask_text
from access.users import Principal
from crm.records.customers import CustomerNotFound, VehicleNotFound
from crm.scripts import scripts, templates
from crm.scripts.honorifics import address
from crm.scripts.templates import ScriptPart
from crm.surveys.questionnaires import LANGUAGES, Questionnaire
from crm.surveys.responses import Answer, Response
from storage import customers, vehicles
from storage.sight import Sight, sight

Spoken = Mapping[str, Mapping[str, tuple[ScriptPart, ...]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Who a response is about, as the viewer may know it."""

    language: str
    name: str = ""
    number: str = ""
    plate: str = ""
    #: Language to place to what stands there.
    values: Mapping[str, Mapping[str, str | None]]


def known_of(
    connection: Connection,
    response: Response,
    viewer: Principal | None,
    *,
    dealership: str,
    zone: ZoneInfo,
    now: datetime,
) -> Known:
    """The customer and vehicle of a response; `viewer` None: the customer himself reads it."""
    values: dict[str, dict[str, str | None]] = {
        language: {
            "dealership": dealership,
            "agent.name": viewer.name if viewer is not None else dealership,
            "greeting": scripts.part_of_day(now.astimezone(zone).hour, language),
        }
        for language in LANGUAGES
    }
    name = number = plate = ""
    spoken_to = "zh-CN"
    if response.customer_id is not None:
        try:
            customer = customers.get_customer(connection, response.customer_id)
        except CustomerNotFound:
            customer = None
        if customer is not None:
            opened = viewer is None or sight(connection, viewer, customer.id, now) is Sight.OPEN
            full = viewer is None or (viewer.sees_names and opened)
            name = customer.name if full else mask_name(customer.name)
            number = customer.number
            spoken_to = customer.language or "zh-CN"
            main = next((one for one in customers.contacts_of(connection, customer.id)), None)
            for language in LANGUAGES:
                values[language] |= {
                    "customer.name": name,
                    "customer.address": address(name, customer.honorific, customer.kind, language),
                    "customer.number": number,
                    "customer.phone_tail": mask_number(main.number)[-4:] if main is not None else None,
                }
    if response.vehicle_id is not None:
        try:
            car = vehicles.get_vehicle(connection, response.vehicle_id)
        except VehicleNotFound:
            car = None
        if car is not None:
            plate = car.plate or ""
            model = car.model if car.model.startswith(car.brand) else f"{car.brand} {car.model}".strip()
            for language in LANGUAGES:
                values[language] |= {
                    "vehicle.plate": car.plate,
                    "vehicle.model": model or None,
                    "vehicle.mileage": f"{car.mileage:,}" if car.mileage is not None else None,
                    "vehicle.last_service": car.last_service_on.isoformat() if car.last_service_on else None,
                }
    return Known(language=spoken_to, name=name, number=number, plate=plate, values=values)


#: Who a questionnaire is tried out with.
_SAMPLE: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-CN": {"customer.name": "王建国", "customer.address": "王建国先生", "vehicle.model": "朗逸 1.5L"},
    "en": {"customer.name": "James Miller", "customer.address": "Mr Miller", "vehicle.model": "Lavida 1.5L"},
}


def sample_values(dealership: str, language: str) -> dict[str, str | None]:
    """Places filled with people who are not there."""
    return {
        "dealership": dealership,
        "agent.name": "李娜" if language == "zh-CN" else "Li Na",
        "greeting": scripts.part_of_day(10, language),
        "customer.number": "C000123",
        "customer.phone_tail": "5678",
        "vehicle.plate": "沪A12345",
        "vehicle.mileage": "32,500",
        "vehicle.last_service": "2026-03-08",
        **_SAMPLE[language],
    }


def spoken_of(questionnaire: Questionnaire, values: Mapping[str, Mapping[str, str | None]]) -> Spoken:
    """Opening, closing and every question, per language, with the places filled."""
    said: dict[str, dict[str, tuple[ScriptPart, ...]]] = {}
    for language in LANGUAGES:
        words = {
            "opening": questionnaire.opening.get(language, ""),
            "closing": questionnaire.closing.get(language, ""),
            **{
                f"question:{one.code}": one.text.get(language) or next(iter(one.text.values()), "")
                for one in questionnaire.questions
            },
        }
        said[language] = {
            name: templates.render(text, values[language]) for name, text in words.items() if text
        }
    return said


def masked(response: Response) -> Response:
    """For somebody who may not read telephone numbers: people say them in their words."""
    return replace(
        response,
        why=mask_text(response.why),
        summary=mask_text(response.summary),
        answers={code: masked_answer(one) for code, one in response.answers.items()},
    )


def masked_answer(answer: Answer) -> Answer:
    """The same for one answer."""
    value = answer.value
    return replace(
        answer,
        value=mask_text(value) if isinstance(value, str) and not _is_day(value) else value,
        words=mask_text(answer.words),
        summary=mask_text(answer.summary),
    )


def _is_day(value: str) -> bool:
    return len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdigit()

"""The questionnaires that come with Careline: first versions, approved by the installation."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import yaml
from sqlalchemy import Connection

from crm.definitions import read
from crm.surveys.checking import faults
from crm.surveys.questionnaires import Questionnaire
from storage import questionnaires

#: The file that comes with Careline.
SHIPPED: Final = Path(__file__).resolve().parents[1] / "surveys" / "questionnaires.yaml"


def seed(connection: Connection, now: datetime, file: Path = SHIPPED) -> int:
    """Add the shipped questionnaires the database does not have; gives how many. Raises BadDefinition, ValueError."""
    added = 0
    for body in yaml.safe_load(file.read_text("utf-8")):
        questionnaire = read(Questionnaire, body)
        if found := faults(questionnaire):
            places = ", ".join(f"{one.place}: {one.sentence}" for one in found)
            raise ValueError(f"the shipped questionnaire {questionnaire.code} cannot work: {places}")
        added += questionnaires.seed(connection, questionnaire, now)
    return added

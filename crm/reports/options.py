"""Settings of reports. Read only by the composition root."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from telephony.options import Options

Time = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
MakerField = Literal[
    "visited_on",
    "visited_at",
    "customer_number",
    "name",
    "honorific",
    "phone",
    "phone_2",
    "address",
    "plate",
    "vin",
    "brand",
    "model",
    "delivered_on",
    "mileage",
    "last_service_on",
    "order_number",
    "result",
    "agent",
]


class MakerColumn(Options):
    """One column of the maker's list: its name there, and what of ours stands in it."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    field: MakerField | Literal[""] = Field("", description="our field")
    fixed: Annotated[str, Field(max_length=200)] = Field("", description="the same text in every row")
    required: bool = Field(False, description="a visit without it is not exported, and shown as incomplete")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.field) == bool(self.fixed):
            raise ValueError("a column holds one of our fields or a fixed text")
        return self


def _sample() -> list[MakerColumn]:
    """Columns as a maker's visit list commonly has them; the house puts its own in their place."""
    return [
        MakerColumn(name="回访日期", field="visited_on", required=True),
        MakerColumn(name="客户姓名", field="name", required=True),
        MakerColumn(name="联系电话", field="phone", required=True),
        MakerColumn(name="车架号", field="vin", required=True),
        MakerColumn(name="车牌号", field="plate"),
        MakerColumn(name="车型", field="model", required=True),
        MakerColumn(name="购车日期", field="delivered_on"),
        MakerColumn(name="行驶里程", field="mileage"),
        MakerColumn(name="工单号", field="order_number"),
        MakerColumn(name="回访结果", field="result", required=True),
        MakerColumn(name="回访人员", field="agent", required=True),
        MakerColumn(name="回访方式", fixed="电话"),
    ]


class ReportOptions(Options):
    """When reports are drafted and exported, and what the maker asks for."""

    work_report_at: Time = Field(
        "17:00", description="on working days, each agent's daily work report is drafted"
    )
    work_report_due: Time = Field("19:00", description="it has to be handed in by then; later is late")
    maker_export_at: Time = Field("18:30", description="every evening, the file for the maker's CRM is made")
    maker_format: Literal["xlsx", "csv"] = Field("xlsx", description="what kind of file the maker takes")
    maker_correction_days: int = Field(
        30, ge=1, le=366, description="what is corrected so many days after a visit goes into the next file"
    )
    maker_keep_days: int = Field(180, ge=1, le=3660, description="the files are kept so long")
    maker_columns: list[MakerColumn] = Field(
        default_factory=_sample, min_length=1, max_length=60, description="the maker's columns in their order"
    )
    schedule_at: Time = Field("08:00", description="regular reports that are due are drafted")
    link_days: int = Field(
        14, ge=1, le=90, description="private links to a report or a list are good so long"
    )

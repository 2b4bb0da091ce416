"""Settings of campaigns."""

from __future__ import annotations

from pydantic import Field

from telephony.options import Options


class CampaignOptions(Options):
    """What the house gives to its campaigns."""

    lines_kept: int = Field(
        5, ge=0, le=2000, description="channels of the trunk that campaigns leave free for callers"
    )
    node_lost_seconds: int = Field(
        180,
        ge=15,
        le=86_400,
        description="a dialer not heard of for so long is taken for lost, and its open calls for unknown",
    )
    agents_kept: int | None = Field(
        None,
        ge=0,
        le=500,
        description="idle agents of a queue that campaigns leave to callers; not set: the fewest that keep its level",
    )

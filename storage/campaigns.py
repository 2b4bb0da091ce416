"""Rows of campaigns: made, changed, stepped from state to state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from access.users import Principal
from campaigns.campaigns import (
    Campaign,
    CampaignChanged,
    CampaignNotFound,
    CampaignState,
    CampaignStep,
    CampaignTaken,
    Mode,
    Purpose,
    check,
    stepped,
)
from campaigns.rules import Rules, rules_from, rules_to
from campaigns.targets import TargetState
from storage.tables.campaigns import campaign_targets, campaigns

#: What can be changed; the rest follows from steps.
_CHANGEABLE = ("name", "purpose", "mode", "queue", "flow", "caller_id", "priority", "starts_at", "ends_at")


def campaign_from(row: RowMapping) -> Campaign:
    """The value of a row of `campaigns`."""
    plain = {name: row[name] for name in Campaign.__slots__}
    return Campaign(
        **{
            **plain,
            "purpose": Purpose(row["purpose"]),
            "mode": Mode(row["mode"]),
            "state": CampaignState(row["state"]),
            "rules": rules_from(row["rules"]),
        }
    )


def create(
    connection: Connection,
    *,
    name: str,
    purpose: Purpose,
    mode: Mode,
    now: datetime,
    by: Principal | None = None,
    queue: str = "",
    flow: str = "",
    caller_id: str = "",
    priority: int = 5,
    rules: Rules | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Campaign:
    """A new campaign, as a draft. Raises BadCampaign, BadRules, CampaignTaken."""
    made = check(
        Campaign(
            id=new_id(now),
            name=" ".join(name.split()),
            purpose=purpose,
            mode=mode,
            state=CampaignState.DRAFT,
            queue=queue,
            flow=flow,
            caller_id=caller_id,
            priority=priority,
            rules=rules or Rules(),
            starts_at=starts_at,
            ends_at=ends_at,
            created_at=now,
            by_name="" if by is None else by.name[:64],
            state_at=now,
        )
    )
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {name: getattr(made, name) for name in Campaign.__slots__}
    row = engine.insert(campaigns).values(
        **{**values, "rules": rules_to(made.rules), "by_id": None if by is None else by.user_id}
    )
    new = connection.execute(row.on_conflict_do_nothing().returning(campaigns.c.id)).scalar_one_or_none()
    if new is None:
        raise CampaignTaken(
            "Another campaign has this name. Nothing was kept; give it another name.", field="name"
        )
    return made


def get(connection: Connection, campaign_id: str, *, lock: bool = False) -> Campaign:
    """One campaign. Raises CampaignNotFound."""
    wanted = select(campaigns).where(campaigns.c.id == campaign_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise CampaignNotFound("There is no such campaign. Nothing was changed.")
    return campaign_from(row)


def by_name(connection: Connection, name: str) -> Campaign:
    """The campaign of a name. Raises CampaignNotFound."""
    row = connection.execute(select(campaigns).where(campaigns.c.name == name)).mappings().one_or_none()
    if row is None:
        raise CampaignNotFound("There is no such campaign. Nothing was changed.")
    return campaign_from(row)


def every(connection: Connection, *, states: Collection[CampaignState] = ()) -> list[Campaign]:
    """The campaigns, the most urgent first, then by name; those of some states only where these are named."""
    wanted = select(campaigns).order_by(campaigns.c.priority, campaigns.c.name)
    if states:
        wanted = wanted.where(campaigns.c.state.in_([state.value for state in states]))
    else:
        wanted = wanted.where(campaigns.c.state != CampaignState.ARCHIVED)
    return [campaign_from(row) for row in connection.execute(wanted).mappings()]


def change(
    connection: Connection, campaign_id: str, version: int, values: Mapping[str, Any], now: datetime
) -> Campaign:
    """Another setting; a running campaign dials by it from its next call on.

    `values` names fields of a campaign, `rules` among them. Raises CampaignNotFound, CampaignChanged, BadCampaign,
    BadRules, CampaignTaken.
    """
    before = get(connection, campaign_id, lock=True)
    _current(before, version)
    known = {name: value for name, value in values.items() if name in (*_CHANGEABLE, "rules")}
    after = check(replace(before, **known, version=before.version + 1))
    others = select(func.count()).where(campaigns.c.name == after.name, campaigns.c.id != campaign_id)
    if connection.execute(others).scalar_one():
        raise CampaignTaken(
            "Another campaign has this name. Nothing was kept; give it another name.", field="name"
        )
    written = {name: getattr(after, name) for name in (*_CHANGEABLE, "version")}
    connection.execute(
        update(campaigns).where(campaigns.c.id == campaign_id).values(**written, rules=rules_to(after.rules))
    )
    return after


def step(
    connection: Connection,
    campaign_id: str,
    wanted: CampaignStep,
    now: datetime,
    *,
    version: int | None = None,
    why: str = "",
) -> Campaign:
    """Take a step. Raises CampaignNotFound, CampaignChanged, StepNotAllowed."""
    before = get(connection, campaign_id, lock=True)
    if version is not None:
        _current(before, version)
    state = stepped(before.state, wanted)
    if state is before.state:
        return before
    after = replace(before, state=state, version=before.version + 1, state_at=now, state_why=why)
    connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id)
        .values(state=after.state, version=after.version, state_at=now, state_why=why)
    )
    return after


def due_to_start(connection: Connection, now: datetime) -> list[str]:
    """Scheduled campaigns whose moment has come."""
    rows = connection.execute(
        select(campaigns.c.id).where(
            campaigns.c.state == CampaignState.SCHEDULED,
            campaigns.c.starts_at.is_(None) | (campaigns.c.starts_at <= now),
        )
    )
    return [row[0] for row in rows]


def due_to_end(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """Running campaigns that are over, and why: their end has come (ends_at), or nobody is left (no_targets)."""
    ended = connection.execute(
        select(campaigns.c.id).where(campaigns.c.state == CampaignState.RUNNING, campaigns.c.ends_at <= now)
    ).scalars()
    found = [(campaign_id, "ends_at") for campaign_id in ended]
    left = (
        select(campaign_targets.c.id)
        .where(
            campaign_targets.c.campaign_id == campaigns.c.id,
            campaign_targets.c.state.in_([TargetState.WAITING, TargetState.DIALING]),
        )
        .exists()
    )
    any_at_all = (
        select(campaign_targets.c.id).where(campaign_targets.c.campaign_id == campaigns.c.id).exists()
    )
    done = connection.execute(
        select(campaigns.c.id).where(campaigns.c.state == CampaignState.RUNNING, ~left, any_at_all)
    ).scalars()
    known = {campaign_id for campaign_id, _ in found}
    return [*found, *((campaign_id, "no_targets") for campaign_id in done if campaign_id not in known)]


def _current(campaign: Campaign, version: int) -> None:
    if version != campaign.version:
        raise CampaignChanged(
            "Somebody has changed this campaign meanwhile. Nothing was changed; look at it again.",
            version=campaign.version,
        )

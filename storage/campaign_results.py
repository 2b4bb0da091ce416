"""Figures of campaigns, and the rows behind each of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, Select, func, select

from campaigns.attempts import GIVEN_BACK, PATIENCE, Attempt, AttemptOutcome
from campaigns.campaigns import Campaign, CampaignState, Mode
from campaigns.results import (
    ABANDON_WINDOW,
    Bar,
    By,
    Marks,
    Results,
    Try,
    Wanted,
    bars,
    key_of,
    over_limit,
    results,
)
from campaigns.targets import TargetState
from crm.contacts.contacts import Result
from storage.attempts import attempt_from
from storage.tables.appointments import appointments, visit_credits
from storage.tables.campaigns import campaign_targets as targets
from storage.tables.campaigns import dial_attempts as attempts
from storage.tables.contacts import due_contacts
from storage.tables.surveys import responses

#: Rows looked through in one step for a page of a plot's bar.
_STEP: Final = 500
#: Modes that may leave an answered customer alone by their nature; the cap holds over thirty days.
OVERDIALING: Final = (Mode.RATIO, Mode.PREDICTIVE)


_COLUMNS: Final = (
    *(attempts.c.target_id, attempts.c.no, attempts.c.intent_at, attempts.c.outcome, attempts.c.agentless),
    *(attempts.c.agent_id, attempts.c.answered_at, attempts.c.connected_at, attempts.c.ended_at),
)


def tries_of(connection: Connection, campaign_id: str) -> list[Try]:
    """Every attempt of a campaign that is over, as the figures need it."""
    rows = connection.execute(
        select(*_COLUMNS).where(attempts.c.campaign_id == campaign_id, attempts.c.outcome.is_not(None))
    ).mappings()
    return [_try(row) for row in rows]


def _try(row: RowMapping) -> Try:
    return Try(**{**row, "outcome": AttemptOutcome(row["outcome"])})


def figures(connection: Connection, campaign_id: str, now: datetime) -> Results:
    """The figures of a campaign."""
    total = connection.execute(select(func.count()).where(targets.c.campaign_id == campaign_id)).scalar_one()
    return results(tries_of(connection, campaign_id), total, now)


def marks(connection: Connection, campaign_id: str) -> Marks:
    """What came of it beyond the calls; each counts targets."""
    return Marks(
        completed=len(marked(connection, campaign_id, "completed")),
        dissatisfied=len(marked(connection, campaign_id, "dissatisfied")),
        booked=len(marked(connection, campaign_id, "booked")),
        came=len(marked(connection, campaign_id, "came")),
    )


def marked(connection: Connection, campaign_id: str, mark: str) -> set[str]:
    """Targets behind a figure: tried, reached, completed, dissatisfied, booked, came.

    What followed counts where the campaign's own call led to it, or the contact the target is about.
    """
    found: set[str] = set()
    for wanted in _marked(campaign_id, mark):
        found.update(str(row[0]) for row in connection.execute(wanted))
    return found


def _marked(campaign_id: str, mark: str) -> Sequence[Select[Any]]:
    own = select(targets.c.id).where(targets.c.campaign_id == campaign_id)
    tried = select(attempts.c.target_id).where(attempts.c.campaign_id == campaign_id)
    about = own.join(due_contacts, due_contacts.c.id == targets.c.contact_id)
    match mark:
        case "tried":
            back = [one.value for one in GIVEN_BACK]
            return [tried.where(attempts.c.outcome.is_not(None), attempts.c.outcome.not_in(back))]
        case "reached":
            return [tried.where(attempts.c.outcome == AttemptOutcome.HUMAN)]
        case "completed":
            done = due_contacts.c.result.in_([Result.DONE.value, Result.PARTLY.value])
            over = targets.c.state == TargetState.DONE
            return [own.where(over, targets.c.contact_id.is_(None)), about.where(over, done)]
        case "dissatisfied":
            unhappy = responses.c.dissatisfied.is_(True)
            return [
                tried.join(responses, responses.c.call_id == attempts.c.id).where(unhappy),
                own.join(responses, responses.c.contact_id == targets.c.contact_id).where(unhappy),
            ]
        case "booked":
            return [
                tried.join(appointments, appointments.c.call_id == attempts.c.id),
                own.join(appointments, appointments.c.contact_id == targets.c.contact_id),
            ]
        case "came":
            by_call = tried.join(appointments, appointments.c.call_id == attempts.c.id)
            return [
                by_call.join(visit_credits, visit_credits.c.appointment_id == appointments.c.id),
                own.join(visit_credits, visit_credits.c.contact_id == targets.c.contact_id),
            ]
    raise ValueError(f"no such mark: {mark}")


def layouts(connection: Connection, campaign_id: str, zone: ZoneInfo) -> Mapping[By, Sequence[Bar]]:
    """The plots of a campaign."""
    own = tries_of(connection, campaign_id)
    return {by: bars(own, by, zone) for by in By}


def attempts_behind(
    connection: Connection, campaign_id: str, wanted: Wanted, zone: ZoneInfo, *, before: str, limit: int
) -> list[Attempt]:
    """Attempts behind a figure or a bar, the latest first, before an id."""
    found: list[Attempt] = []
    while len(found) < limit:
        looked = select(attempts).where(attempts.c.campaign_id == campaign_id)
        if before:
            looked = looked.where(attempts.c.id < before)
        if wanted.outcome is not None:
            looked = looked.where(attempts.c.outcome == wanted.outcome)
        else:
            looked = looked.where(attempts.c.outcome.not_in([one.value for one in GIVEN_BACK]))
        if wanted.only in ("answered", "abandoned"):
            looked = looked.where(attempts.c.answered_at.is_not(None))
        elif wanted.only == "reached":
            looked = looked.where(attempts.c.outcome == AttemptOutcome.HUMAN)
        rows = connection.execute(looked.order_by(attempts.c.id.desc()).limit(_STEP)).mappings().all()
        for row in rows:
            one = attempt_from(row)
            before = one.id
            if _fits(one, wanted, zone):
                found.append(one)
                if len(found) == limit:
                    return found
        if len(rows) < _STEP:
            return found
    return found


def _fits(one: Attempt, wanted: Wanted, zone: ZoneInfo) -> bool:
    if wanted.by is not None and key_of(one.intent_at, one.no, one.agent_id, wanted.by, zone) != wanted.key:
        return False
    if wanted.only != "abandoned":
        return True
    if one.agentless or one.outcome is AttemptOutcome.MACHINE or one.answered_at is None:
        return False
    return one.connected_at is None or one.connected_at - one.answered_at > PATIENCE


def over_their_limit(connection: Connection, running: Collection[Campaign], now: datetime) -> list[str]:
    """Running campaigns that have left more customers alone than they may.

    Those that dial more than they have agents are held to thirty days; one call for each agent is held to what
    happened since it was started last, so that it can be started again once telephones work.
    """
    found = []
    for one in running:
        if one.state is not CampaignState.RUNNING or not (one.mode.by_machine and one.mode.needs_agents):
            continue
        since = now - ABANDON_WINDOW
        if one.mode not in OVERDIALING:
            since = max(since, one.state_at)
        late = _live(connection, one.id, since)
        if over_limit(len(late), sum(each.abandoned for each in late), one.rules.abandon_cap):
            found.append(one.id)
    return found


def _live(connection: Connection, campaign_id: str, since: datetime) -> list[Try]:
    rows = connection.execute(
        select(*_COLUMNS).where(
            attempts.c.campaign_id == campaign_id,
            attempts.c.intent_at > since,
            attempts.c.answered_at.is_not(None),
            attempts.c.outcome.is_not(None),
        )
    ).mappings()
    return [one for one in map(_try, rows) if one.live]

"""What other systems are told of the house's nouns, in the transaction that stores them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from crm.hooks.events import Event
from crm.imports.jobs import ImportJob
from crm.records.changes import Author
from crm.records.merging import Merge
from crm.registrations.filing import Registration
from crm.tasks.tasks import Task
from storage.outgoing import announce
from telephony.agents import Agent
from telephony.calls import Call
from telephony.facts import Fact

#: Facts of an ended call that may still change: who it was, how it ended, what was said of it.
_LATE = (
    "number",
    "customer_id",
    "explained",
    "agent_id",
    "queue",
    "outcome",
    "ended_at",
    "connected_at",
    "talk_seconds",
    "wait_seconds",
    "recording",
    "rating",
)


def react_to_call(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
    """Reaction of the journal: `call.ended` once, `call.corrected` where something of it came late."""
    if after.ended_at is None:
        return
    if before is None or before.ended_at is None:
        announce(connection, Event.CALL_ENDED, f"call:{after.id}", call_data(after), at=after.ended_at)
    elif changed := [name for name in _LATE if getattr(before, name) != getattr(after, name)]:
        data = {**call_data(after), "changed": changed}
        at = max((fact.at for fact in facts), default=after.ended_at)
        announce(connection, Event.CALL_CORRECTED, f"call:{after.id}", data, at=at)


def call_data(call: Call) -> dict[str, object]:
    """A call as other systems know it."""
    return {
        "call_id": call.id,
        "direction": call.direction.value,
        "number": call.number,
        "called_number": call.called,
        "customer_id": call.customer_id,
        "explained": call.explained,
        "flow": call.flow,
        "queue": call.queue,
        "agent_id": call.agent_id,
        "outcome": call.outcome.value if call.outcome else None,
        "cause": call.cause,
        "started_at": _iso(call.started_at),
        "connected_at": _iso(call.connected_at),
        "ended_at": _iso(call.ended_at),
        "wait_seconds": call.wait_seconds,
        "talk_seconds": call.talk_seconds,
        "recorded": call.recording is not None,
        "rating": call.rating,
    }


def tell_of_task(connection: Connection, event: Event, task: Task, *, at: datetime | None = None) -> None:
    """A task was made, changed hands or moved, or is over."""
    announce(
        connection,
        event,
        f"task:{task.id}",
        {
            "task_id": task.id,
            "kind": task.kind.value,
            "state": task.state.value,
            "subject": task.subject,
            "number": task.number,
            "customer_id": task.customer_id,
            "call_id": task.call_id,
            "owner_id": task.owner_id,
            "due_at": _iso(task.due_at),
            "closed_at": _iso(task.closed_at),
            "result": task.result,
        },
        at=at,
    )


def tell_of_registration(connection: Connection, registration: Registration) -> None:
    """A call was filed, or what is filed of it was corrected; the words themselves stay in the house."""
    newest = registration.current
    event = Event.REGISTRATION_FILED if newest.version == 1 else Event.REGISTRATION_CORRECTED
    announce(
        connection,
        event,
        f"call:{registration.call_id}",
        {
            "registration_id": registration.id,
            "call_id": registration.call_id,
            "agent_id": registration.agent_id,
            "customer_id": registration.customer_id,
            "version": newest.version,
            "by": newest.by,
            "call_type": newest.content.call_type,
            "disposition": newest.content.disposition or None,
        },
        at=newest.at,
    )


def tell_of_import(connection: Connection, job: ImportJob) -> None:
    """A list is in, was stopped, taken back, or failed. Records that came with it are not told one by one."""
    announce(
        connection,
        Event.IMPORT_FINISHED,
        f"import:{job.id}",
        {
            "import_id": job.id,
            "kind": job.kind.value,
            "source": job.source,
            "state": job.state.value,
            "total": job.total,
            "added": job.counts.added,
            "changed": job.counts.changed,
            "unchanged": job.counts.unchanged,
            "refused": job.counts.refused,
            "error_id": job.error_id or None,
        },
        at=job.ended_at,
    )


def tell_of_merge(connection: Connection, merge: Merge, by: Author, at: datetime) -> None:
    """Two records became one, or (`undone`) are two again."""
    announce(
        connection,
        Event.RECORD_MERGED,
        f"customer:{merge.survivor_id}",
        {
            "merge_id": merge.id,
            "survivor_id": merge.survivor_id,
            "merged_id": merge.merged_id,
            "undone": merge.undone_at is not None,
            "by": by.id,
        },
        at=at,
    )


def tell_of_erasure(
    connection: Connection, customer_id: str, *, merged_ids: Sequence[str], pseudonym: str, at: datetime
) -> None:
    """A person is erased: copies elsewhere must go too. Nothing of him is in it but the record's ids."""
    announce(
        connection,
        Event.RECORD_ERASED,
        f"customer:{customer_id}",
        {"customer_id": customer_id, "merged_ids": list(merged_ids), "pseudonym": pseudonym},
        at=at,
    )


def tell_of_agent(connection: Connection, agent: Agent, at: datetime) -> None:
    """An agent signed in or out, paused, rings, talks, wraps up."""
    announce(
        connection,
        Event.AGENT_CHANGED,
        f"agent:{agent.id}",
        {
            "agent_id": agent.id,
            "state": agent.state.value,
            "since": _iso(agent.since),
            "pause_code": agent.reason or None,
            "call_id": agent.call_id,
            "queues": sorted(agent.queues),
        },
        at=at,
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None

"""Which open tasks a call closes: the caller was called back and talked, or called again and talked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crm.tasks.tasks import CALLER_KINDS, Result, Task, TaskId, TaskKind, TaskState
from telephony.calls import Call, Direction


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """A task that a call closes, and how."""

    task_id: TaskId
    result: Result
    #: False: the task should never have been; it is cancelled instead of done.
    done: bool = True


def has_talked(call: Call, *, talked_seconds: float) -> bool:
    """Whether a person of ours and the caller really talked in this call."""
    return (
        call.direction is not Direction.INTERNAL
        and call.connected_at is not None
        and call.talk_seconds >= talked_seconds
    )


def closed_by(call: Call, tasks: Iterable[Task], *, talked_seconds: float = 1.0) -> tuple[Closing, ...]:
    """What an ended call closes among the open tasks of its number and customer.

    The talk must have begun after the last event the task stands for. A missed call that turns out to have
    been answered takes its task back.
    """
    if not has_talked(call, talked_seconds=talked_seconds):
        return ()
    found = []
    for task in tasks:
        if task.state is not TaskState.OPEN or task.kind not in CALLER_KINDS:
            continue
        same_number = task.number is not None and task.number == call.number
        same_customer = task.customer_id is not None and task.customer_id == call.customer_id
        own = call.id in (task.call_id, task.last_call_id)
        if own and task.kind is TaskKind.MISSED_CALL and task.calls == 1:
            found.append(Closing(task_id=task.id, result=Result.ANSWERED_AFTER_ALL, done=False))
        elif (
            (same_number or same_customer or own)
            and call.connected_at is not None
            and call.connected_at > task.last_at
        ):
            outbound = call.direction is Direction.OUTBOUND
            result = Result.CALLED_BACK if outbound else Result.CALLED_AGAIN
            found.append(Closing(task_id=task.id, result=result))
    return tuple(found)

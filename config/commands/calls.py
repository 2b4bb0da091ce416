"""`careline call`: live calls and orders about them; asked of the running service."""

from __future__ import annotations

from typing import Annotated

import typer

from config.requests import (
    Api,
    ConfigOption,
    RequestError,
    TokenOption,
    Value,
    fail,
    items_of,
    open_api,
    person_id,
    text_of,
)

call_app = typer.Typer(
    help="Live calls: list, dial, hold, transfer, conference, recording, hang up; needs the running service.",
    no_args_is_help=True,
)

CallArgument = Annotated[str, typer.Argument(help="Id of the call (careline call list).")]
TargetArgument = Annotated[
    str, typer.Argument(help="agent:ID or agent:NAME, queue:NAME, department:NAME.", metavar="TARGET")
]
AgentOption = Annotated[str, typer.Option("--agent", help="For which agent, by id or name.")]
_KINDS = ("agent", "queue", "department")


@call_app.command("list")
def list_calls(
    every: Annotated[bool, typer.Option("--all", help="Ended ones too, the newest first.")] = False,
    most: Annotated[int, typer.Option(min=1, max=200, help="Most lines.")] = 50,
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Calls going on: id, direction, state, number, queue, agent."""
    api = open_api(config, token)
    scope = {} if every else {"scope": "open"}
    try:
        found = items_of(api.get("/calls", limit=str(most), **scope))
    except RequestError as error:
        fail(str(error))
    for one in found:
        typer.echo(
            f"{text_of(one, 'id')}  {text_of(one, 'direction'):<8}  {text_of(one, 'state'):<8}  "
            f"{text_of(one, 'outcome'):<11}  {text_of(one, 'number'):<16}  {text_of(one, 'queue'):<12}  "
            f"{text_of(one, 'agent_id')}"
        )


@call_app.command("dial")
def dial(
    number: Annotated[str, typer.Argument(help="As one would dial it, or with + and country code.")],
    agent: AgentOption = "me",
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Ring the agent's phone, then the number. Prints the call's id."""
    api = open_api(config, token)
    try:
        answer = api.post("/calls", {"number": number, "agent_id": person_id(api, agent)})
    except RequestError as error:
        fail(str(error))
    typer.echo(text_of(answer, "call_id"))


@call_app.command("hold")
def hold(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """The customer hears music."""
    _order(open_api(config, token), call, "hold", agent)


@call_app.command("resume")
def resume(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """Back to the customer."""
    _order(open_api(config, token), call, "resume", agent)


@call_app.command("transfer")
def transfer(
    call: CallArgument,
    target: TargetArgument,
    agent: AgentOption = "me",
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Blind: the customer goes to the target at once; where nobody takes him he returns to his queue."""
    api = open_api(config, token)
    _order(api, call, "transfer", agent, {"target": _target(api, target)})


@call_app.command("consult")
def consult(
    call: CallArgument,
    target: TargetArgument,
    agent: AgentOption = "me",
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Attended: talk to the target while the customer hears music; then `complete` or `cancel`."""
    api = open_api(config, token)
    _order(api, call, "consult", agent, {"target": _target(api, target)})


@call_app.command("complete")
def complete(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """Hand the customer to the person consulted."""
    _order(open_api(config, token), call, "complete-transfer", agent)


@call_app.command("cancel")
def cancel(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """Let the person consulted go and take the customer back."""
    _order(open_api(config, token), call, "cancel-transfer", agent)


@call_app.command("conference")
def conference(
    call: CallArgument,
    invite: Annotated[str, typer.Option(help="Id or name of an agent who is rung and joins.")] = "",
    agent: AgentOption = "me",
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Everybody on the call into one room."""
    api = open_api(config, token)
    _order(api, call, "conference", agent, {"invited": _target(api, f"agent:{invite}") if invite else None})


@call_app.command("leave")
def leave(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """Out of a conference or a consultation; the others go on."""
    _order(open_api(config, token), call, "leave", agent)


@call_app.command("pause-recording")
def pause_recording(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """Record silence for a while: card numbers, passwords."""
    _order(open_api(config, token), call, "pause-recording", agent)


@call_app.command("resume-recording")
def resume_recording(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """Record again."""
    _order(open_api(config, token), call, "resume-recording", agent)


@call_app.command("hang-up")
def hang_up(
    call: CallArgument, agent: AgentOption = "me", token: TokenOption = "", config: ConfigOption = None
) -> None:
    """End the call for everybody."""
    _order(open_api(config, token), call, "hang-up", agent)


def _target(api: Api, text: str) -> dict[str, Value]:
    kind, colon, name = text.partition(":")
    if kind not in _KINDS or not colon or not name:
        fail(f"{text}: a target is agent:NAME, queue:NAME or department:NAME.", 2)
    try:
        return {"kind": kind, "name": person_id(api, name) if kind == "agent" else name}
    except RequestError as error:
        fail(str(error))


def _order(api: Api, call: str, word: str, agent: str, body: dict[str, Value] | None = None) -> None:
    try:
        api.post(f"/calls/{call}/{word}", {"agent_id": person_id(api, agent), **(body or {})})
    except RequestError as error:
        fail(str(error))
    typer.echo(f"{call}: {word}")

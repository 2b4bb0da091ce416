"""`careline agent`: who is at work, signing in and out, pauses; asked of the running service."""

from __future__ import annotations

from typing import Annotated

import typer

from config.requests import (
    Api,
    ConfigOption,
    RequestError,
    TokenOption,
    fail,
    items_of,
    open_api,
    person_id,
    text_of,
)

agent_app = typer.Typer(
    help="Agents: list, sign in, sign out, pause, ready; needs the running service.", no_args_is_help=True
)

AgentArgument = Annotated[str, typer.Argument(help="Id or name; me: the user of the token.")]


@agent_app.command("list")
def list_agents(token: TokenOption = "", config: ConfigOption = None) -> None:
    """Everybody who takes calls: state, reason of a pause, call, queues."""
    api = open_api(config, token)
    try:
        found = items_of(api.get("/agents"))
    except RequestError as error:
        fail(str(error))
    for one in found:
        queues = one.get("queues")
        named = ",".join(str(queue) for queue in queues) if isinstance(queues, dict) else ""
        typer.echo(
            f"{text_of(one, 'id')}  {text_of(one, 'state'):<10}  {text_of(one, 'reason'):<14}  "
            f"{text_of(one, 'call_id'):<26}  {named or '-'}  {text_of(one, 'name')}"
        )


@agent_app.command("sign-in")
def sign_in(
    agent: AgentArgument = "me",
    queue: Annotated[
        list[str] | None,
        typer.Option(help="Name, or name=penalty (lower is asked first); again for more. None: every queue."),
    ] = None,
    phone: Annotated[str, typer.Option(help="One of the agent's own phones; empty: the first.")] = "",
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Take calls of these queues from now on."""
    queues: dict[str, int] = {}
    for name, _, penalty in (one.partition("=") for one in queue or []):
        if penalty and not penalty.isdecimal():
            fail(f"--queue {name}={penalty}: a penalty is a number from 0 to 100.", 2)
        queues[name] = int(penalty or 0)
    _tell(open_api(config, token), agent, "sign-in", {"queues": queues or None, "phone": phone or None})


@agent_app.command("sign-out")
def sign_out(agent: AgentArgument = "me", token: TokenOption = "", config: ConfigOption = None) -> None:
    """Take no more calls; not possible in a call."""
    _tell(open_api(config, token), agent, "sign-out", {})


@agent_app.command("pause")
def pause(
    reason: Annotated[str, typer.Argument(help="A word: lunch, training, back-office, ...")],
    agent: AgentArgument = "me",
    token: TokenOption = "",
    config: ConfigOption = None,
) -> None:
    """Pause now, or after the call that is going on."""
    _tell(open_api(config, token), agent, "pause", {"reason": reason})


@agent_app.command("ready")
def ready(agent: AgentArgument = "me", token: TokenOption = "", config: ConfigOption = None) -> None:
    """End a pause or the wrap-up."""
    _tell(open_api(config, token), agent, "ready", {})


def _tell(api: Api, agent: str, order: str, body: dict[str, str | dict[str, int] | None]) -> None:
    try:
        after = api.post(f"/agents/{person_id(api, agent)}/{order}", body)
    except RequestError as error:
        fail(str(error))
    asked = f" (then {after['next_pause']})" if after.get("next_pause") else ""
    typer.echo(f"{text_of(after, 'name')}  {text_of(after, 'state')}  {text_of(after, 'reason')}{asked}")

"""What a command at the prompt asks of the running service: one request to its API, one answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import aiohttp
import typer

from config.settings import Settings, SettingsError, load

#: A plain JSON value.
Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="CARELINE_TOKEN",
        help="API token (careline token create); better in the environment than here, where others see it.",
        show_envvar=True,
    ),
]
#: Seconds; an order to the switch answers within five.
_PATIENCE = 15.0
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on


class RequestError(Exception):
    """The service did not do it.

    RequestError
    ├── NoService   nothing answers there; nothing was asked
    └── Declined    it answered no, with its words and error_id
    """

    error_id = "request-error"


class NoService(RequestError):
    error_id = "no-service"


class Declined(RequestError):
    error_id = "declined"


@dataclass(frozen=True, kw_only=True)
class Api:
    """The running service of one installation. Calls raise RequestError."""

    url: str
    token: str

    def get(self, path: str, **query: str) -> Mapping[str, Value]:
        return asyncio.run(self._ask("GET", path, query, None))

    def post(self, path: str, body: Mapping[str, Value] | None = None) -> Mapping[str, Value]:
        """Asked once and never again: where no answer comes it may have happened."""
        return asyncio.run(self._ask("POST", path, {}, body or {}))

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Value] | None
    ) -> Mapping[str, Value]:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": secrets.token_hex(16)}
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.request(method, f"{self.url}/api/v1{path}", params=query, json=body) as response,
            ):
                answer = await response.json(content_type=None)
                if response.status >= 400:
                    raise Declined(_words(answer, response.status))
        except aiohttp.ClientConnectorError as error:
            raise NoService(
                f"No service answers at {self.url} ({error.strerror or error}). Nothing was done. "
                "Start it with `careline run`, or name its settings with --config."
            ) from error
        except TimeoutError as error:
            raise NoService(
                f"{self.url} did not answer within {_PATIENCE:g} s. It may have happened: look before you repeat it."
            ) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise NoService(
                f"What answers at {self.url} is not Careline; name its settings with --config: {error}"
            ) from error
        return answer if isinstance(answer, dict) else {}


def _words(answer: Value, status: int) -> str:
    if not isinstance(answer, Mapping):
        return f"The service said {status} without words."
    return f"{answer.get('detail') or answer.get('title')} ({answer.get('error_id')})"


def address_of(settings: Settings) -> str:
    """Where the service of these settings is reached from this machine."""
    host = "127.0.0.1" if settings.web.host in _ANYWHERE else settings.web.host
    return f"http://[{host}]:{settings.web.port}" if ":" in host else f"http://{host}:{settings.web.port}"


def open_api(config: Path | None, token: str) -> Api:
    """The API of the settings' service. Leaves with 2 where settings are wrong or there is no token."""
    try:
        settings = load(config)
    except SettingsError as error:
        fail(str(error), 2)
    if not token:
        fail(
            "No API token. Make one with `careline token create --role agent --user LOGIN` and put it into "
            "CARELINE_TOKEN.",
            2,
        )
    return Api(url=address_of(settings), token=token)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and leave: 1 it was refused, 2 wrong use."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def text_of(values: Mapping[str, Value], name: str) -> str:
    """A field for a line of output; - for nothing."""
    value = values.get(name)
    return "-" if value is None or value == "" else str(value)


def items_of(answer: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    """The entries of a list answer."""
    items = answer.get("items")
    return [one for one in items if isinstance(one, Mapping)] if isinstance(items, list) else []


def person_id(api: Api, person: str) -> str:
    """A user id, `me`, or the name of somebody who takes calls. Leaves with 2 where nobody or several fit."""
    if person == "me" or len(person) == 26:
        return person
    found = [text_of(one, "id") for one in items_of(api.get("/agents")) if one.get("name") == person]
    if len(found) == 1:
        return found[0]
    several = (
        f"{len(found)} people are called {person}; name one by id:"
        if found
        else f"Nobody who takes calls is named {person};"
    )
    fail(f"{several} `careline agent list` shows names and ids (a login is neither).", 2)

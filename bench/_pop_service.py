"""`careline run` that writes down when a pop passes which point: what `python -m bench screenpop` times each leg by.

python -m bench._pop_service run --config FILE; the moments go into `legs.jsonl` beside FILE. The service is the real
one: four of its functions are wrapped, each moment costs one short write.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from config.__main__ import app
from config.books.pops import PopBook
from config.service import Service
from web import live

#: Name of the file of moments, beside the settings.
FILE: Final = "legs.jsonl"
_CALL: Final = re.compile(r'event: pop\ndata: \{"call_id": "([^"]+)"')


class Notes:
    """A file of moments: point, call (or its linkedid), agent, milliseconds."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, point: str, call: str, agent: str = "") -> None:
        """That a pop of this call is there now. From any thread."""
        os.write(self._file, (json.dumps([point, call, agent, time.time() * 1000]) + "\n").encode())


def wrap(notes: Notes) -> None:
    """Have the service's own functions tell where a pop is."""
    classes: Any = (Service, PopBook, live.LiveEvents)
    service, book, events = classes
    module: Any = live
    take, begin, reading = service._take_events, book._begin, book._pop_and_opened
    to_agent, write = events.to_agent, module._write

    async def take_events(self: Any, heard: Sequence[Any]) -> None:
        for event in heard:
            if event.name == "AgentCalled":
                notes.add("read", event.get("Linkedid"), event.get("MemberName"))
        await take(self, heard)

    def begin_pop(self: Any, agent_id: str, call_id: str) -> None:
        notes.add("applied", call_id, agent_id)
        begin(self, agent_id, call_id)

    def read(self: Any, connection: Any, call: Any, viewer: Any) -> Any:
        notes.add("asked", call.id, viewer.user_id or "")
        found = reading(self, connection, call, viewer)
        notes.add("found", call.id, viewer.user_id or "")
        return found

    def tell(self: Any, user_id: str, kind: str, render: Any) -> None:
        if kind == "pop":
            notes.add("told", "", user_id)
        to_agent(self, user_id, kind, render)

    async def written(response: Any, text: str, seconds: float) -> None:
        for call_id in _CALL.findall(text):
            notes.add("rendered", call_id)
        await write(response, text, seconds)

    service._take_events, book._begin, book._pop_and_opened = take_events, begin_pop, read
    events.to_agent, module._write = tell, written


if __name__ == "__main__":
    wrap(Notes(Path(sys.argv[sys.argv.index("--config") + 1]).with_name(FILE)))
    app()

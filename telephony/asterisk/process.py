"""Running Asterisk as an ordinary user's process: start, wait until it is fully booted, stop in order, reload."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from telephony.asterisk.install import AsteriskBinary
from telephony.asterisk.render import RenderedFolder

_POLL_SECONDS: Final = 0.05


class ProcessError(Exception):
    """Asterisk did not do what was asked.

    ProcessError
    ├── NotStarted       it ended before it was fully booted, or took too long; says what its log says
    └── CommandFailed    it did not take a command
    """

    error_id = "asterisk-process"


class NotStarted(ProcessError):
    error_id = "asterisk-not-started"


class CommandFailed(ProcessError):
    error_id = "asterisk-command-failed"


@dataclass(kw_only=True)
class AsteriskProcess:
    """One Asterisk, run from a rendered folder.

    `tied`: the process ends with the one that started it, whatever happens to that one; for demo and tests.
    Otherwise it lives on when the service is killed, so that calls go on, and is found again by `start`.
    A tied process must be started from a thread that lives as long as it is wanted.
    """

    binary: AsteriskBinary
    folder: RenderedFolder
    tied: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _adopted: int | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        if self._adopted is not None and _lives(self._adopted, self.folder.conf):
            return self._adopted
        return None

    @property
    def running(self) -> bool:
        return self.pid is not None

    @property
    def console(self) -> Path:
        """What Asterisk prints: its own words on why it did not start."""
        return self.folder.layout.log / "console.log"

    async def start(self) -> bool:
        """Start it, or take over one that already runs from this folder. True: newly started.

        Raises NotStarted where the program cannot be executed.
        """
        found = find_running(self.folder)
        if found is not None:
            self._adopted, self._process = found, None
            return False
        argv = [*self.binary.argv_prefix, "-f", "-q", "-C", str(self.folder.conf)]
        setpriv = shutil.which("setpriv")
        if self.tied and setpriv is not None:
            argv = [setpriv, "--pdeathsig", "KILL", "--", *argv]
        (self.folder.layout.run / "asterisk.ctl").unlink(missing_ok=True)
        try:
            with self.console.open("wb") as console:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - takes milliseconds; tied to this thread
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self.binary.environment},
                    cwd=self.folder.layout.home,
                    start_new_session=True,
                )
        except OSError as error:
            raise NotStarted(f"{argv[0]} cannot be started: {error.strerror}.") from error
        self._adopted = None
        return True

    async def wait_ready(self, seconds: float = 60.0) -> None:
        """Return once Asterisk is fully booted. Raises NotStarted with its last words; it is ended then."""
        deadline = time.monotonic() + seconds
        control = self.folder.layout.run / "asterisk.ctl"
        while time.monotonic() < deadline:
            if not self.running:
                raise NotStarted(f"Asterisk ended while starting: {self._last_words()}")
            if control.exists():
                try:
                    await self.command("core waitfullybooted", seconds=max(1.0, deadline - time.monotonic()))
                except CommandFailed:
                    await asyncio.sleep(_POLL_SECONDS)
                    continue
                return
            await asyncio.sleep(_POLL_SECONDS)
        await self.stop(seconds=2.0)
        raise NotStarted(f"Asterisk was not ready after {seconds:g} s: {self._last_words()}")

    async def command(self, line: str, *, seconds: float = 10.0) -> str:
        """What Asterisk's console answers to one line. Raises CommandFailed. For lines of our own only."""
        argv = [*self.binary.argv_prefix, "-C", str(self.folder.conf), "-rx", line]
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.binary.environment},
        )
        try:
            async with asyncio.timeout(seconds):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise CommandFailed(f"Asterisk did not answer {line!r} in {seconds:g} s.") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise CommandFailed(f"Asterisk refused {line!r}: {output.decode(errors='replace').strip()[:200]}")
        return output.decode(errors="replace")

    async def reload(self, *modules: str) -> None:
        """Reload modules; `RenderedFolder.reloads` says which. Calls go on. Raises CommandFailed."""
        for module in modules:
            answer = await self.command(f"module reload {module}")
            if "No such module" in answer or "not be loaded" in answer:
                raise CommandFailed(f"Asterisk has no module {module} to reload.")

    async def stop(self, seconds: float = 10.0) -> None:
        """End it in order: calls are hung up and their records written. Killed if that takes too long."""
        await self._end(signal.SIGTERM, seconds)

    async def kill(self) -> None:
        """End it at once, as a crash would. For tests."""
        await self._end(signal.SIGKILL, 10.0)

    async def wait(self) -> int:
        """Return when it has ended; its exit status, -1 where it was not our own child."""
        while self.running:  # noqa: ASYNC110 - the end of another process is an event for nobody here
            await asyncio.sleep(_POLL_SECONDS * 4)
        return self._process.returncode if self._process is not None else -1

    async def keep_running(
        self,
        *,
        tell: Callable[[str], None] = lambda _line: None,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
    ) -> None:
        """Start it again whenever it ends, waiting longer each time it did not last. Ends by cancellation."""
        pause = first_wait
        while True:
            began = time.monotonic()
            await self.wait()
            if time.monotonic() - began > 60.0:
                pause = first_wait
            tell(f"Asterisk ended; it is started again in {pause:g} s.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest_wait)
            try:
                await self.start()
                await self.wait_ready()
            except NotStarted as error:
                tell(str(error))

    async def _end(self, how: signal.Signals, seconds: float) -> None:
        pid = self.pid
        if pid is None:
            return
        _send(pid, how)
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        if (pid := self.pid) is not None:
            _send(pid, signal.SIGKILL)
            while self.running:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        """The last lines Asterisk printed or logged that say what is wrong."""
        for path in (self.console, self.folder.layout.log / "messages.log"):
            try:
                lines = path.read_text(errors="replace").splitlines()
            except OSError:
                continue
            bad = [line for line in lines if "ERROR" in line or "Unable" in line or "error" in line]
            if bad or (lines and path == self.console):
                return " / ".join((bad or lines)[-3:])[:600]
        return f"no message; see {self.folder.layout.log}"


def find_running(folder: RenderedFolder) -> int | None:
    """Process id of an Asterisk that runs from this folder, whoever started it; None without one."""
    try:
        pid = int((folder.layout.run / "asterisk.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if _lives(pid, folder.conf) else None


def _lives(pid: int, conf: Path) -> bool:
    """Is `pid` an Asterisk started with this file? A number in a stale pid file may be anybody's by now."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if not words:
            # On its way out: its memory is given back, its sockets are not. A zombie whose threads are gone too
            # has given everything.
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return state not in ("Z", "X") or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False
    parts: Sequence[bytes] = words.split(b"\0")
    return os.fsencode(conf) in parts and b"-rx" not in parts


def _send(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return

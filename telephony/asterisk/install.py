"""Finding Asterisk, or bringing a private copy of it from the machine's own package sources, without root.

The same way brings what the tests need (SIPp, Chromium). Nothing outside the cache folder is touched: apt-get
runs with its own state, cache and source list; signature checks stay on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Oldest Asterisk whose modules and options the rendered files need.
OLDEST: Final = 20

#: Modules without which Careline cannot work; a machine's own Asterisk that lacks one is passed over.
REQUIRED_MODULES: Final = (
    "chan_pjsip.so",
    "app_queue.so",
    "res_agi.so",
    "cel_custom.so",
    "cdr_custom.so",
    "res_pjsip_transport_websocket.so",
    "app_confbridge.so",
    "app_mixmonitor.so",
)

ASTERISK_PACKAGES: Final = ("asterisk", "asterisk-core-sounds-en", "asterisk-moh-opsound-wav")

#: Program to package that brings it, for `careline pbx install --tools`.
TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "sipp": ("sip-tester",),
    "chromium": ("chromium", "fonts-noto-cjk"),
}

_MANIFEST: Final = "careline.json"
_KEYRINGS: Final[Mapping[str, str]] = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}

#: Longest wait for apt-get, in seconds: 100 to 300 MB on a slow line.
_APT_SECONDS: Final = 1800

Say = Callable[[str], None]


class InstallError(Exception):
    """Nothing was installed; what was in the cache before is still there. Says what is missing.

    InstallError
    ├── ProgramMissing   apt-get or dpkg-deb is not on this machine
    ├── NoSource         the machine's package sources do not name what is needed
    ├── FetchFailed      the mirror could not be reached, or a signature did not match
    └── CopyBroken       what was unpacked does not start
    """

    error_id = "install-failed"


class ProgramMissing(InstallError):
    error_id = "install-program-missing"


class NoSource(InstallError):
    error_id = "install-no-source"


class FetchFailed(InstallError):
    error_id = "install-fetch-failed"


class CopyBroken(InstallError):
    error_id = "install-copy-broken"


@dataclass(frozen=True, kw_only=True, slots=True)
class AsteriskBinary:
    """An Asterisk that starts: how, and where its modules and sounds are."""

    #: What to put before Asterisk's own arguments.
    argv_prefix: tuple[str, ...]
    #: Such as 22.10.1.
    version: str
    modules_dir: Path
    #: Folder that holds `beep` and its like; None: the machine has no sounds.
    sounds_dir: Path | None
    moh_dir: Path | None
    documentation_dir: Path | None = None
    #: Added to the environment of the process.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Our own copy in the cache, or the machine's.
    private: bool = False

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One package source of the machine."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """What /etc/os-release says."""

    id: str
    codename: str

    @property
    def family(self) -> str:
        """debian or ubuntu; empty for anything else."""
        return self.id if self.id in _KEYRINGS else ""


# ---------------------------------------------------------------- pure: reading what the machine says


def parse_release(text: str) -> System:
    """The system of an os-release file (freedesktop.org os-release(5))."""
    values = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        values[key.strip()] = value.strip().strip('"').strip("'")
    names = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    known = next((name for name in ("ubuntu", "debian") if name in names), names[0])
    codename = values.get("UBUNTU_CODENAME") or values.get("VERSION_CODENAME", "")
    if known == "debian" and values.get("ID") != "debian":
        codename = values.get("DEBIAN_CODENAME", "")
    return System(id=known, codename=codename)


def parse_one_line_sources(text: str) -> list[Source]:
    """Sources of a `.list` file (sources.list(5), one-line style). Lines that say anything else are skipped."""
    found: list[Source] = []
    for line in text.splitlines():
        match = re.fullmatch(
            r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)", line.split("#")[0].strip()
        )
        if not match:
            continue
        options = dict(part.split("=", 1) for part in (match[1] or "").split() if "=" in part)
        found.append(
            Source(
                uri=match[2],
                suites=(match[3],),
                components=tuple(match[4].split()),
                signed_by=options.get("signed-by", ""),
                architectures=tuple(options.get("arch", "").split(",")) if options.get("arch") else (),
            )
        )
    return found


def parse_deb822_sources(text: str) -> list[Source]:
    """Sources of a `.sources` file (sources.list(5), deb822 style). An embedded key is not taken over."""
    found: list[Source] = []
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and last:
                fields[last] += " " + line.strip()
            elif ":" in line:
                last, _, value = line.partition(":")
                last = last.strip().lower()
                fields[last] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        signed_by = fields.get("signed-by", "")
        found.extend(
            Source(
                uri=uri,
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=signed_by if signed_by.startswith("/") else "",
                architectures=tuple(fields.get("architectures", "").split()),
            )
            for uri in fields.get("uris", "").split()
        )
    return found


def own_source(system: System, sources: Sequence[Source]) -> Source:
    """The machine's own archive: the source of its release. Raises NoSource."""
    if not system.family:
        raise NoSource(
            f"This machine runs {system.id or 'an unknown system'}; Careline can bring Asterisk by itself on "
            f"Debian and Ubuntu only. Install Asterisk {OLDEST} or later and start again."
        )
    for source in sources:
        if system.codename in source.suites and "main" in source.components:
            return source
    raise NoSource(
        f"The package sources below /etc/apt name no archive of {system.id} {system.codename or '(no codename)'} "
        "with component main; add it, or install Asterisk yourself."
    )


def asterisk_source_line(system: System, source: Source, keyring: str) -> str:
    """The one source line Asterisk is taken from: sid of Debian's mirror, the own universe of Ubuntu's."""
    if system.family == "ubuntu":
        return tools_source_line(system, source, keyring)
    return _line(source.uri, "sid", ("main",), keyring)


def tools_source_line(system: System, source: Source, keyring: str) -> str:
    """The machine's own release, from which test tools come: they then fit its libraries."""
    components = ("main", "universe") if system.family == "ubuntu" else ("main",)
    return _line(source.uri, system.codename, components, keyring)


def _line(uri: str, suite: str, components: Sequence[str], keyring: str) -> str:
    signed = f"[signed-by={keyring}] " if keyring else ""
    return f"deb {signed}{uri} {suite} {' '.join(components)}\n"


def parse_version(text: str) -> str | None:
    """`Asterisk 22.10.1~dfsg…` -> 22.10.1; None where it is something else."""
    match = re.search(r"Asterisk (?:certified-)?(?:certified/)?([0-9]+(?:\.[0-9]+)*)", text)
    return match[1] if match else None


def first_line_of_trouble(output: str) -> str:
    """What apt-get complained about, in one line."""
    for line in output.splitlines():
        if line.startswith(("E:", "Err:")):
            return line
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


# ---------------------------------------------------------------- Asterisk


def ensure_asterisk(cache: Path, *, say: Say = lambda _line: None, private: bool = False) -> AsteriskBinary:
    """An Asterisk to run: the machine's own if it is good enough, else our copy below `cache`.

    The copy is fetched once (about 80 MB) and found again afterwards without network. `private` passes over
    the machine's own. Raises InstallError.
    """
    if not private:
        own = find_system_asterisk()
        if own is not None:
            return own
    folder = Path(os.path.abspath(cache)) / "asterisk"
    found = _find_copy(folder)
    if found is not None:
        return found
    with _lock(folder):
        found = _find_copy(folder)
        if found is not None:
            return found
        system, source, keyring = _machine()
        line = asterisk_source_line(system, source, keyring)
        with _scratch(folder) as scratch:
            say("Bringing Asterisk from this machine's package source (about 80 MB, once) …")
            _fetch(scratch, line, ASTERISK_PACKAGES)
            root = scratch / "root"
            say("Unpacking …")
            _unpack(scratch, root)
            version = _version_of(_loader_argv(root, root / "usr" / "sbin" / "asterisk"), {})
            if version is None:
                raise CopyBroken(
                    "The private copy of Asterisk does not start on this machine; "
                    f"nothing was kept. It came from: {line.strip()}"
                )
            if int(version.split(".")[0]) < OLDEST:
                raise NoSource(
                    f"{system.id} {system.codename} offers Asterisk {version}; Careline needs {OLDEST} or later. "
                    "Install one by hand and start again."
                )
            (root / _MANIFEST).write_text(json.dumps({"version": version, "source": line.strip()}) + "\n")
            root.rename(folder / version)
        found = _find_copy(folder)
        if found is None:
            raise CopyBroken(f"The copy of Asterisk {version} was unpacked and does not start again.")
        say(f"Asterisk {version} is ready.")
        return found


def find_system_asterisk() -> AsteriskBinary | None:
    """The machine's own Asterisk, if it is new enough and complete; None otherwise."""
    program = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    version = _version_of((program,), {})
    if version is None or int(version.split(".")[0]) < OLDEST:
        return None
    prefix = Path(program).resolve().parents[1]
    places = [
        *sorted((prefix / "lib").glob("*/asterisk/modules")),
        prefix / "lib" / "asterisk" / "modules",
        prefix / "lib64" / "asterisk" / "modules",
    ]
    for modules in places:
        if all((modules / name).is_file() for name in REQUIRED_MODULES):
            data = [prefix / "share" / "asterisk", Path("/var/lib/asterisk")]
            return AsteriskBinary(
                argv_prefix=(program,),
                version=version,
                modules_dir=modules,
                sounds_dir=_sounds(data),
                moh_dir=_first(folder / "moh" for folder in data),
                documentation_dir=_first(folder / "documentation" for folder in data),
            )
    return None


def _find_copy(folder: Path) -> AsteriskBinary | None:
    """The newest copy in the cache that starts."""
    copies = [path.parent for path in folder.glob(f"*/{_MANIFEST}")]
    for root in sorted(copies, key=_version_key, reverse=True):
        with contextlib.suppress(CopyBroken):
            binary = _copy_at(root)
            if _version_of(binary.argv_prefix, binary.environment) == binary.version:
                return binary
    return None


def _version_key(root: Path) -> list[int]:
    return [int(part) for part in re.findall(r"[0-9]+", root.name)]


def _copy_at(root: Path) -> AsteriskBinary:
    argv = _loader_argv(root, root / "usr" / "sbin" / "asterisk")
    version = json.loads((root / _MANIFEST).read_text())["version"]
    data = [root / "usr" / "share" / "asterisk"]
    modules = next(iter(root.glob("usr/lib/*/asterisk/modules")), root / "usr/lib/asterisk/modules")
    return AsteriskBinary(
        argv_prefix=argv,
        version=str(version),
        modules_dir=modules,
        sounds_dir=_sounds(data),
        moh_dir=_first(folder / "moh" for folder in data),
        documentation_dir=_first(folder / "documentation" for folder in data),
        private=True,
    )


def _sounds(data: Sequence[Path]) -> Path | None:
    """Where `beep` is. Unpacking makes no alternatives links, so the voice's own folder counts too."""
    for folder in data:
        for name in ("en", "en_US_f_Allison", "en_US"):
            if any((folder / "sounds" / name).glob("beep.*")):
                return folder / "sounds" / name
        for place in sorted((folder / "sounds").glob("en*")):
            if any(place.glob("beep.*")):
                return place
    return None


def _first(places: Iterator[Path] | Sequence[Path]) -> Path | None:
    return next((place for place in places if place.is_dir() and any(place.iterdir())), None)


def _loader_argv(root: Path, program: Path) -> tuple[str, ...]:
    """Start `program` with the copy's own loader and libraries: the machine's may be older. Raises CopyBroken."""
    loaders = [
        path
        for pattern in (
            "usr/lib/*/ld-linux*.so*",
            "lib/*/ld-linux*.so*",
            "lib64/ld-linux*.so*",
            "lib/ld-linux*",
        )
        for path in sorted(root.glob(pattern))
    ]
    if not loaders or not program.is_file():
        raise CopyBroken(f"{root} holds no complete Asterisk.")
    return (str(loaders[0]), "--library-path", _library_path(root), str(program))


def _library_path(root: Path) -> str:
    """Every folder of shared libraries a program of the copy may need."""
    folders = [
        *root.glob("usr/lib/*-linux-*"),
        *root.glob("lib/*-linux-*"),
        *root.glob("usr/lib/*-linux-*/asterisk"),
        *root.glob("usr/lib/*-linux-*/pulseaudio"),
        *root.glob("usr/lib/*-linux-*/blas"),
        *root.glob("usr/lib/*-linux-*/lapack"),
        *root.glob("usr/lib/chromium"),
    ]
    return ":".join(str(folder) for folder in folders if folder.is_dir())


def _version_of(argv: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """What `asterisk -V` answers; None where it does not start."""
    try:
        done = subprocess.run(
            [*argv, "-V"], capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stdout) if done.returncode == 0 else None


# ---------------------------------------------------------------- test tools


def find_tool(cache: Path, name: str) -> list[str]:
    """How to start a test tool: the machine's own, or the copy below `cache`. Raises ProgramMissing."""
    own = shutil.which(name)
    if own is not None:
        return [own]
    wrapper = Path(os.path.abspath(cache)) / "tools" / "bin" / name
    if os.access(wrapper, os.X_OK):
        return [str(wrapper)]
    raise ProgramMissing(f"{name} is not on this machine; `careline pbx install --tools` brings it.")


def ensure_tools(
    cache: Path,
    tools: Sequence[str] = tuple(TOOLS),
    *,
    say: Say = lambda _line: None,
    private: bool = False,
) -> dict[str, list[str]]:
    """Name to argv for every tool, bringing those the machine lacks. `private` brings all. Raises InstallError."""
    base = Path(os.path.abspath(cache)) / "tools"
    missing = []
    for name in tools:
        if not os.access(base / "bin" / name, os.X_OK) and (private or shutil.which(name) is None):
            missing.append(name)
    if missing:
        with _lock(base):
            system, source, keyring = _machine()
            line = tools_source_line(system, source, keyring)
            for name in missing:
                if os.access(base / "bin" / name, os.X_OK):
                    continue
                say(f"Bringing {name} from this machine's package source …")
                with _scratch(base) as scratch:
                    _fetch(scratch, line, TOOLS[name])
                    _unpack(scratch, scratch / "root")
                    final = base / name
                    if final.exists():
                        shutil.rmtree(final)
                    (scratch / "root").rename(final)
                _write_wrapper(base, name)
    return {name: [str(base / "bin" / name)] if private else find_tool(cache, name) for name in tools}


def _write_wrapper(base: Path, name: str) -> None:
    """A small script that starts the unpacked program with its own libraries and fonts."""
    root = base / name
    program = next(
        (
            path
            for place in (f"usr/lib/{name}/{name}", f"usr/bin/{name}", f"usr/sbin/{name}")
            if (path := root / place).is_file()
        ),
        None,
    )
    if program is None:
        raise CopyBroken(f"The packages {', '.join(TOOLS[name])} brought no {name}; see {root}.")
    fonts = root / "fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        f"  <dir>/usr/share/fonts</dir>\n  <dir>{root}/usr/share/fonts</dir>\n"
        f"  <cachedir>{root}/fontcache</cachedir>\n</fontconfig>\n"
    )
    script = (
        "#!/bin/sh\n"
        f"# Starts {name} from Careline's cache; made by `careline pbx install --tools`.\n"
        f"export LD_LIBRARY_PATH='{_library_path(root)}'\n"
        f"[ -n \"$FONTCONFIG_FILE\" ] || export FONTCONFIG_FILE='{fonts}'\n"
        f"exec '{program}' \"$@\"\n"
    )
    (base / "bin").mkdir(parents=True, exist_ok=True)
    new = base / "bin" / f".{name}"
    new.write_text(script)
    new.chmod(0o755)
    new.replace(base / "bin" / name)


# ---------------------------------------------------------------- apt, on a leash


def _machine() -> tuple[System, Source, str]:
    """System, its own archive and the keyring that signs it. Raises ProgramMissing, NoSource."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise ProgramMissing(
                f"{program} is not on this machine, so Careline cannot bring Asterisk by itself; "
                f"install Asterisk {OLDEST} or later and start again."
            )
    release = Path("/etc/os-release")
    system = parse_release(release.read_text() if release.is_file() else "")
    source = own_source(system, _read_sources(Path("/etc/apt")))
    known = _KEYRINGS[system.family]
    keyring = known if Path(known).is_file() else source.signed_by
    return system, source, keyring


def _read_sources(folder: Path) -> list[Source]:
    found: list[Source] = []
    parts = folder / "sources.list.d"
    for path in [folder / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]:
        if path.is_file() and os.access(path, os.R_OK):
            parse = parse_deb822_sources if path.suffix == ".sources" else parse_one_line_sources
            found.extend(parse(path.read_text(errors="replace")))
    return found


def _apt_config(scratch: Path) -> str:
    """Our own configuration: how this machine fetches (proxies, certificates, its administrator's word on dates),
    none of its hooks, folders or pins; signatures are demanded whatever the machine says.
    """
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=60, check=False)
    kept = [
        line
        for line in dump.stdout.splitlines()
        if line.startswith("Acquire::")
        and not line.startswith(("Acquire::IndexTargets", "Acquire::Languages", "Acquire::Changelogs"))
    ]
    own = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::State::Lists": scratch / "state" / "lists",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::Etc::parts": "-",
        "Dir::Etc::main": "-",
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Sandbox::User": "",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
        "Debug::NoLocking": "true",
    }
    return "\n".join([*kept, *(f'{key} "{value}";' for key, value in own.items())]) + "\n"


def _fetch(scratch: Path, source_line: str, packages: Sequence[str]) -> None:
    """Download packages and all they need into `scratch/cache/archives`. Raises FetchFailed."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources.list").write_text(source_line)
    config = scratch / "apt.conf"
    config.write_text(_apt_config(scratch))
    environment = {
        **os.environ,
        "APT_CONFIG": str(config),
        "LC_ALL": "C",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    for arguments in (["update"], ["install", "--download-only", "--yes", *packages]):
        try:
            done = subprocess.run(
                ["apt-get", "-q", *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                stdin=subprocess.DEVNULL,
                timeout=_APT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise FetchFailed(
                f"apt-get {arguments[0]} did not finish in {_APT_SECONDS // 60} minutes; nothing was kept."
            ) from error
        output = done.stdout + done.stderr
        if done.returncode != 0 or re.search(r"^(E|Err):", output, re.MULTILINE):
            raise FetchFailed(
                f"apt-get could not fetch {', '.join(packages)} from {source_line.strip()!r}: "
                f"{first_line_of_trouble(output)} - nothing was kept; check the network and try again."
            )
    if not any((scratch / "cache" / "archives").glob("*.deb")):
        raise FetchFailed(f"apt-get fetched nothing from {source_line.strip()!r}.")


def _unpack(scratch: Path, root: Path) -> None:
    """Unpack every fetched package below `root`. No script of a package is run. Raises CopyBroken."""
    root.mkdir()
    for package in sorted((scratch / "cache" / "archives").glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "-x", str(package), str(root)], capture_output=True, text=True)
        if done.returncode != 0:
            raise CopyBroken(
                f"{package.name} could not be unpacked: {done.stderr.strip()}; nothing was kept."
            )
        package.unlink()
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian"):
        shutil.rmtree(root / name, ignore_errors=True)
    for folder, folders, _files in os.walk(root):
        # Packages bring folders only root may enter; here everything belongs to whoever runs Careline.
        for name in folders:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IRWXU)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One installer at a time; a second waits and then finds the work done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in folder.glob(".partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, whatever happened."""
    scratch = folder / f".partial-{os.getpid()}"
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def describe(binary: AsteriskBinary) -> str:
    """One line for a person."""
    whose = "private copy" if binary.private else "this machine's own"
    return f"Asterisk {binary.version} ({whose}, {platform.machine()}): {binary.argv_prefix[-1]}"

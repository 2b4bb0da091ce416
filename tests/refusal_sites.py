"""Every sentence a refusal of the code can say, found in the code itself: `error_id` to English templates."""

from __future__ import annotations

import ast
import builtins
import importlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from web import bodies
from web.problems import STATUS, Refused
from web.refusals import INNER, VALUES

ROOT: Final = Path(__file__).parent.parent
_PACKAGES: Final = ("access", "crm", "telephony", "ivr", "campaigns", "storage", "web", "config")
#: What no request reaches: programs for an operator, and what is said to the log about the switch.
_NOT_WEB: Final = ("telephony/asterisk/", "storage/migrations/", "config/commands/", "ivr/")
_NOT_WEB_FILES: Final = ("storage/backup.py", "storage/alone.py", "storage/samples.py", "storage/journal.py")


@cache
def found() -> tuple[Mapping[str, frozenset[str]], tuple[str, ...]]:
    """`error_id` to the English templates its refusals are raised with; and where an f-string loses its values."""
    said: dict[str, set[str]] = defaultdict(set)
    lost: list[str] = []
    for package in _PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(_NOT_WEB) or name in _NOT_WEB_FILES:
                continue
            source = path.read_text("utf-8")
            if not any(
                word in source for word in ("raise ", "Refused(", "Fault(", "sentence=", "super().__init__(")
            ):
                continue
            module = importlib.import_module(
                name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            )
            tree = list(ast.walk(ast.parse(source)))
            for call, error_id in _refusals(module, tree):
                if error_id in INNER:
                    continue
                for one in call.args:
                    said[error_id].update(_templates(module, one))
                    if isinstance(one, ast.JoinedStr | ast.BinOp):
                        lost.append(f"{name}:{one.lineno}")
            said[VALUES].update(_of_values(module, tree))
    return {error_id: frozenset(templates) for error_id, templates in said.items()}, tuple(lost)


def _of_values(module: ModuleType, nodes: Sequence[ast.AST]) -> Iterator[str]:
    """What is said of single values, in words that are put beside a field."""
    for node in nodes:
        match node:
            case ast.Yield(value=ast.Tuple(elts=[*_, last])) if module is bodies:
                yield from _templates(module, last)
            case ast.Call(func=ast.Name(id="partial"), keywords=keywords):
                for one in keywords:
                    if one.arg == "sentence":
                        yield from _templates(module, one.value)


def _refusals(module: ModuleType, nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.Call, str]]:
    """Every call that makes a refusal people may see, with its error_id."""
    for owner in nodes:
        if isinstance(owner, ast.ClassDef):
            error_id = str(getattr(getattr(module, owner.name, None), "error_id", ""))
            for node in ast.walk(owner):
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) == "super().__init__"
                    and error_id in STATUS
                ):
                    yield node, error_id
        elif isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name):
            made = getattr(module, owner.func.id, getattr(builtins, owner.func.id, None))
            if not (isinstance(made, type) and issubclass(made, Exception)):
                continue
            if made is ValueError and module.__name__.startswith(
                (
                    "web.api",
                    "crm.registrations",
                    "crm.scripts",
                    "crm.surveys",
                    "crm.dispositions",
                    "web.pages.filters",
                )
            ):
                yield owner, VALUES
            elif made is Refused and isinstance(owner.args[0], ast.Name):
                yield from ((owner, one) for one in (VALUES, "bad-query"))  # read_model and read_query
            elif made is Refused and isinstance(owner.args[0], ast.Constant):
                yield owner, str(owner.args[0].value)
            elif (error_id := str(getattr(made, "error_id", ""))) in STATUS:
                yield owner, error_id


def _placed(node: ast.expr) -> bool:
    """Whether this is a sentence with values, behind the field it is about."""
    return isinstance(node, ast.Call)


def _templates(module: ModuleType, node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)) if " " in text:
            yield text
        case ast.Name(id=name) if isinstance(text := getattr(module, name, None), str) and " " in text:
            yield text
        case ast.Call(func=ast.Name(id="Sentence"), args=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.Tuple(elts=parts):
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and ": " in part.value:
                    yield part.value.partition(": ")[2]
                yield from (one.partition(": ")[2] for one in _templates(module, part) if _placed(part))
        case _:
            return

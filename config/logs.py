"""Structured logs: one line a record, each with an `action`, numbers masked, no secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from config.settings import LogOptions

#: Seven digits or more in a row, with or without a leading +: a telephone number.
_NUMBER = re.compile(r"(?<![0-9A-Za-z.:-])\+?[0-9]{7,15}(?![0-9A-Za-z.:-])")
_SECRET = re.compile(r"(password|secret|token|authorization|digest)", re.IGNORECASE)
#: Control characters and the bidirectional overrides: nothing may forge a line or a direction (S17).
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: Keys whose values are ids or times, never numbers to be masked.
_IDS = frozenset({"call", "call_id", "uniqueid", "linkedid", "timestamp", "at", "id", "agent", "port", "pid"})


def mask_text(text: str) -> str:
    """`text` with every telephone number shortened to its last three digits and control characters shown."""
    masked = _NUMBER.sub(lambda found: "***" + found.group()[-3:], text)
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", masked)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, (list, tuple, set)):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _clean(one) for key, one in value.items()}
    if isinstance(value, BaseException):
        return mask_text(f"{type(value).__name__}: {value}")
    return value


def protect(_logger: object, _method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: mask numbers, hide secrets, and make sure there is an `action`."""
    for key, value in record.items():
        if _SECRET.search(key):
            record[key] = "(hidden)"
        elif key not in _IDS:
            record[key] = _clean(value)
        elif isinstance(value, str):
            record[key] = _CONTROL.sub("?", value)
    record.setdefault("action", "note")
    return record


def configure(options: LogOptions) -> None:
    """Send every log line, ours and the libraries', to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        protect,
    ]
    structlog.configure(
        processors=[*shared[:-2], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if options.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:-2], structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                protect,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(options.level.upper())
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)

"""
The daemon's log: constant dotted events with facts as keys, three faces.

A terminal reads coloured lines; under journald each line is JSON behind its syslog level
(``sd-daemon(3)``); anywhere else plain JSON. Control characters never reach a terminal: JSON and
the console renderer escape them, and long values are cut.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog

# A headline or a server's answer may be long; the log is not where it is kept.
MAX_VALUE = 2048
# Without local variables: they may hold secrets and texts that nobody has published yet.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
_LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def set_up() -> None:
    """Configure structlog and the standard library's logging once."""
    journal = "JOURNAL_STREAM" in os.environ
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _cut,
    ]
    if sys.stderr.isatty() and not journal:
        processors.append(
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        )
    else:
        processors += [_TRACEBACKS, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if journal:
            processors.insert(-1, _remember_level)
            processors.append(_with_level)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")


def _cut(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value[:MAX_VALUE] if isinstance(value, str) else value for key, value in event.items()
    }


def _remember_level(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {"_priority": _LEVELS.get(str(event.get("level")), 6), **event}


def _with_level(_logger: Any, _method: str, line: str) -> str:
    number = line.partition('"_priority": ')[2][:1] or "6"
    return f"<{number}>{line}"

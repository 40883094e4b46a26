"""Structured logs: one JSON object a line, or colour on a terminal. No secret, token or comment text in them.

`configure` also takes the standard library's loggers (Faust, aiokafka, uvicorn) through the same renderer,
so that a process writes one kind of line.
"""

import logging
import sys
from typing import Any

import structlog

from schemas.settings import Log

REDACTED = "…"
SECRET_NAMES = frozenset({"token", "secret", "password", "authorization", "text", "cookie"})
"""Keys whose values are never written, whoever logs them by mistake."""


def configure(log: Log, process: str) -> None:
    """Set up logging of this process; ``process`` names it in each line (``edge-2``)."""
    level = logging.getLevelNamesMapping()[log.level.upper()]
    console = log.format == "console" or (log.format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        _redact,
    ]
    # Not structlog's own traces: they show variables, and those hold tokens and texts.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = plain if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if not console
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _named(process: str) -> Any:
    def name(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event["process"] = process
        return event

    return name


def _redact(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    for name in SECRET_NAMES & event.keys():
        event[name] = REDACTED
    return event

"""OpenTelemetry traces of one comment in N, a span a hop, with nothing added to any record.

The trace follows from the comment's id: every process works out the same trace id, and by the same hash
whether the comment is traced, so that each hop exports its span on its own and a backend joins them. The
gateway's span is the root. Off, and not even imported, unless ``tracing.endpoint`` is set; the packages are
the extra ``livecomments[tracing]``. Spans carry ids of comments, places in the log and decisions: no text, no
user, no stream.

A backend that is away costs spans and nothing else: `QUEUE_SPANS_MAX` wait, the rest is dropped.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import structlog
import xxhash

from schemas.settings import SettingsError, Tracing

QUEUE_SPANS_MAX = 2_048
BATCH_SPANS_MAX = 512
EXPORT_MS = 1_000
"""Spans wait no longer than this to be sent."""
EXPORT_SECONDS_MAX = 5.0
SAMPLE_SEED, ROOT_SEED = 1, 2

Value = str | int | float | bool

log = structlog.get_logger()


class Spans(Protocol):
    """Where hops go."""

    def wants(self, comment_id: str) -> bool:
        """Whether the comment is traced; the same answer in every process."""

    def hop(
        self,
        name: str,
        comment_id: str,
        start_ms: float,
        end_ms: float,
        more: Mapping[str, Value],
        *,
        root: bool,
    ) -> None:
        """Export one hop; times in ms since 1970. Never waits, never raises."""

    def close(self) -> None:
        """Send what waits, for a little."""


def is_sampled(comment_id: str, one_in: int) -> bool:
    """Whether a comment is one of ``one_in``: by its id alone."""
    return xxhash.xxh3_64_intdigest(comment_id.encode(), SAMPLE_SEED) % one_in == 0


def trace_of(comment_id: str) -> tuple[int, int]:
    """Return a comment's trace id (128 bits) and the id of its root span (64 bits); neither is 0."""
    raw = comment_id.encode()
    return xxhash.xxh3_128_intdigest(raw) or 1, xxhash.xxh3_64_intdigest(raw, ROOT_SEED) or 1


def comments_of(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the comments of a decoded record of any topic that has some."""
    rows: Sequence[Mapping[str, Any]] = record.get("events") or record.get("items") or ()
    return (row for row in rows if row["type"] == "comment")


@cache
def open_spans(tracing: Tracing, process: str) -> Spans | None:
    """Return the process's one exporter; None where tracing is not set.

    Raises:
        SettingsError: it is set, and the packages are not installed.

    """
    if tracing.endpoint is None:
        return None
    try:
        from schemas.otel import OtelSpans  # noqa: PLC0415 - optional, and heavy
    except ImportError as error:
        raise SettingsError(
            f"tracing.endpoint is set, and {error.name} is not installed: pip install 'livecomments[tracing]'"
        ) from error
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it says of a backend is said once
    log.info("tracing", endpoint=tracing.endpoint, one_in=tracing.one_in)
    return OtelSpans.over_http(tracing, process)

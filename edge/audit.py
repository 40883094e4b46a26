"""Commands that the gateway refused, or gave to the whole platform, in ``moderation.audit``.

What `moderate` decides it writes there itself. A refusal must not cost the asker anything, nor fill the
topic: it is written behind their back, and only so many a second.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from edge.auth import Viewer
from edge.submit import SubmitError
from schemas.codec import codec
from schemas.records import NOTHING, Command
from schemas.routing import partition_of
from schemas.topics import AUDIT, Topic

REFUSALS_PER_SECOND_MAX = 20
ON_THE_WAY_MAX = 100
TEXT_CHARS_MAX = 500
"""Of any argument of a refused command: it may be anything."""

log = structlog.get_logger()


class Poster(Protocol):
    """`edge.submit.Submitter`, as far as it is used here."""

    async def post(self, topic: Topic, partition: int, key: bytes, value: bytes) -> None:
        """Return when a record is durable; raises SubmitError."""


class AuditTrail:
    """See the module. ``now``: seconds since 1970."""

    def __init__(self, poster: Poster, partitions: int, now: Callable[[], float]) -> None:
        self._poster = poster
        self._partitions = partitions
        self._now = now
        self._second = 0
        self._written = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.dropped = 0
        """Refusals beyond the limits."""

    def refused(
        self, viewer: Viewer, stream_id: str, type_: str, command: Mapping[str, Any], refusal: str
    ) -> None:
        """Note a refused command, soon and if there is room."""
        second = int(self._now())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written >= REFUSALS_PER_SECOND_MAX or len(self._tasks) >= ON_THE_WAY_MAX:
            self.dropped += 1
            return
        self._written += 1
        task = asyncio.create_task(self._try(viewer, stream_id, type_, command, refusal))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def write(
        self,
        viewer: Viewer,
        stream_id: str,
        type_: str,
        command: Mapping[str, Any],
        *,
        id_: str = "",
        refusal: str | None = None,
    ) -> None:
        """Write one record; returns when it is durable. Raises SubmitError."""
        record = {
            "stream_id": _short(stream_id),
            "origin": NOTHING.to_wire(),  # it is not in comments.submitted
            "at": int(self._now() * 1000),
            "actor_id": viewer.user_id,
            "actor_role": viewer.role,
            "action": _short(type_),
            "id": id_,
            "command": _command(command),
            "outcome": "applied" if refusal is None else "refused",
            "refusal": refusal,
        }
        key = record["stream_id"]
        partition = partition_of(key, self._partitions)
        await self._poster.post(
            AUDIT, partition, key.encode(errors="replace"), codec(AUDIT.record).encode(record)
        )

    async def _try(
        self, viewer: Viewer, stream_id: str, type_: str, command: Mapping[str, Any], refusal: str
    ) -> None:
        try:
            await self.write(viewer, stream_id, type_, command, refusal=refusal)
        except SubmitError as error:
            log.warning("a refused command is missing from the audit", error=str(error))


def _command(given: Mapping[str, Any]) -> Command:
    settings, seconds = given.get("settings"), given.get("seconds")
    return Command(
        target=_short(given.get("target")),
        seconds=seconds if isinstance(seconds, int) and abs(seconds) < 2**63 else None,
        reason=_short(given.get("reason")),
        settings=None if settings is None else _short(json.dumps(settings, ensure_ascii=True)),
    )


def _short(text: Any) -> Any:
    """Cut a text; what UTF-8 cannot say is replaced."""
    return text[:TEXT_CHARS_MAX].encode(errors="replace").decode() if isinstance(text, str) else None

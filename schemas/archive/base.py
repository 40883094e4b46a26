"""What an archive is, whichever store is behind it.

Rows are upserts by (stream, epoch, seq), so that writing twice is writing once. Stored content is not
rewritten by moderation: deletes and clears are rows of their own, and every read applies them
(`schemas.overlay`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from schemas.records import Event, Sequenced

PAGE_EVENTS_MAX = 500
"""Of one read."""


class ArchiveError(Exception):
    """The operator's fault: the store's schema is missing, unfinished or from the future. Not retried."""


class ArchiveUnavailable(Exception):  # noqa: N818 - named as HTTP names it
    """The store's fault: it does not answer, or is overloaded. The same call may succeed later."""


class Stored(NamedTuple):
    """Where a stream ends in the archive: its newest epoch and the highest seq stored of it."""

    epoch: str
    seq: int


class Page(NamedTuple):
    """``events``: ascending by seq, with what is deleted or cleared left out. ``next_seq``: where the next
    page begins (its ``from_seq``); None: nothing more is stored up to ``to_seq``.
    """

    epoch: str
    events: Sequence[Event]
    next_seq: int | None


class Archive(ABC):
    """One store. Every method but `open` may raise ArchiveUnavailable."""

    @abstractmethod
    async def open(self) -> None:
        """Connect and check the schema; waits for the store as long as it takes.

        Raises:
            ArchiveError: the schema is not the one this version writes.

        """

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def write(self, segments: Sequence[Sequenced]) -> None:
        """Upsert the events of admitted segments; returns when all are durable. Idempotent."""

    @abstractmethod
    async def read(
        self,
        stream_id: str,
        *,
        from_seq: int,
        to_seq: int | None = None,
        limit: int = PAGE_EVENTS_MAX,
        epoch: str | None = None,
        comments_only: bool = True,
    ) -> Page | None:
        """Return events with ``from_seq`` ≤ seq ≤ ``to_seq``; ``epoch`` None: the newest one.

        None: the archive knows no such stream (or epoch). ``limit``: 1 to `PAGE_EVENTS_MAX` events.
        Events that are shown to their author alone (mask 0) are left out.
        """

    @abstractmethod
    async def end(self, stream_id: str) -> Stored | None:
        """Return where a stream ends; None: unknown here."""

    @abstractmethod
    async def epochs(self, stream_id: str) -> Sequence[Stored]:
        """Return every epoch of a stream with its highest seq, oldest first."""

    @abstractmethod
    async def seq_at(self, stream_id: str, at_ms: int, epoch: str | None = None) -> int | None:
        """Return the first seq whose ``at`` is ``at_ms`` or later; None: there is none."""

    @abstractmethod
    async def missing(self, stream_id: str, epoch: str, upto: int) -> Sequence[tuple[int, int]]:
        """Return the ranges (from, to] within (0, ``upto``] that are not stored: holes in the archive."""

    @abstractmethod
    async def erase_user(self, user_id: str) -> int:
        """Blank a user's texts and names, for good, in all streams; returns how many rows. Numbers stay."""

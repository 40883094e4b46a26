"""What an archive is, whichever store is behind it.

Rows are upserts by (stream, epoch, seq), so that writing twice is writing once, in any order. Stored content
is not rewritten by moderation: deletes and clears are rows of their own, and every read applies those that
concern what it found, whenever they came (`schemas.overlay`). Only `Archive.erase_user` rewrites.

The schema is made and changed by `Archive.migrate` (``livecomments migrate``, which ``livecomments up``
runs). `Archive.open` makes it in one case alone, a new embedded archive: there is nobody else to do it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from schemas.records import Event, Sequenced

PAGE_EVENTS_MAX = 500
"""Of one read."""
SCAN_ROUNDS_MAX = 8
"""Chunks of rows that one read looks through for events to show; then the page ends early."""
LISTED_MAX = 1_000
"""Of one listing."""


class ArchiveError(Exception):
    """The operator's fault: the store's schema is missing, unfinished or from the future. Not retried."""


class ArchiveUnavailable(Exception):  # noqa: N818 - named as HTTP names it
    """The store's fault: it does not answer, or is overloaded. The same call may succeed later."""


class Stored(NamedTuple):
    """Where a stream ends in the archive: its newest epoch and the highest seq stored of it."""

    epoch: str
    seq: int


class Listed(NamedTuple):
    """One epoch of a stream, and ``mark``: what `Archive.listing` goes on behind."""

    stream_id: str
    epoch: str
    mark: str


class Page(NamedTuple):
    """``events``: ascending by seq, with what is deleted, cleared or erased left out; there may be none.

    The page covers [``from_seq``, ``next_seq``), shown or hidden: ``next_seq`` is where the next page begins.
    None: nothing more of what was asked for is stored up to ``to_seq``.
    """

    epoch: str
    events: Sequence[Event]
    next_seq: int | None


class Archive(ABC):
    """One store. Every method but `open` may raise ArchiveUnavailable."""

    @abstractmethod
    async def open(self) -> None:
        """Connect and check the schema; waits for the store, and for its schema, as long as it takes.

        Until it returns, every other method raises ArchiveUnavailable.

        Raises:
            ArchiveError: the schema is unfinished, older or newer than the one this version writes, or the
                store is not an archive.

        """

    @abstractmethod
    async def migrate(self) -> Sequence[str]:
        """Bring the schema to this version's; return what was done. One at a time, and repeatable.

        Needs no `open`.

        Raises:
            ArchiveError: the schema is of a later version, or of another origin.

        """

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def write(self, segments: Sequence[Sequenced]) -> None:
        """Upsert the events of admitted segments; returns when all are durable. Idempotent.

        A stream's events become readable in order, and deletes and clears before them: when `end` answers
        n, all that writers of the stream wrote up to n is there, and in force. (One writer a stream.)
        """

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

        None: the archive knows no such stream (or epoch). Events that are shown to their author alone
        (mask 0) are left out.

        Raises:
            ValueError: ``limit`` is not 1 to `PAGE_EVENTS_MAX`.

        """

    @abstractmethod
    async def raw(self, stream_id: str, epoch: str, from_seq: int, to_seq: int) -> Sequence[Event]:
        """Return what is stored of ``from_seq`` ≤ seq ≤ ``to_seq``, hidden and shadowed events included.

        For reconciliation with the log; never for readers. Bounded by the caller.
        """

    @abstractmethod
    async def end(self, stream_id: str) -> Stored | None:
        """Return where a stream ends; None: unknown here."""

    @abstractmethod
    async def epochs(self, stream_id: str) -> Sequence[Stored]:
        """Return every epoch of a stream with its highest seq, oldest first."""

    @abstractmethod
    async def listing(self, after: str | None = None) -> Sequence[Listed]:
        """Return epochs of streams in the store's own fixed order, each once, at most `LISTED_MAX`.

        ``after``: the mark of the one to go on behind; None: from the first. Empty: there are no more. Some
        may have nothing stored any more.
        """

    @abstractmethod
    async def seq_at(self, stream_id: str, at_ms: int, epoch: str | None = None) -> int | None:
        """Return the first seq whose ``at`` is ``at_ms`` or later; None: there is none, or no such stream.

        Log-append times do not go back within a stream; where a broker's clock did, the answer is a seq at
        which the stream passes ``at_ms``, perhaps not the first.
        """

    @abstractmethod
    async def missing(self, stream_id: str, epoch: str, upto: int) -> Sequence[tuple[int, int]]:
        """Return the ranges (from, to] within (0, ``upto``] that are not stored: holes in the archive."""

    @abstractmethod
    async def erase_user(self, user_id: str) -> int:
        """Blank a user's texts, names, stickers and reasons, for good, in all streams; returns how many rows.

        Numbers and user ids stay, and no replay of the log brings the content back. What is written for the
        first time later is not covered: erase again when the archive has caught up.
        """

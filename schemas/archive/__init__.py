"""The archive: what happened on a stream, for ever. One interface, two stores behind it.

`open_archive` returns the one that the settings name; nothing is connected until `Archive.open`.
"""

from schemas.archive.base import (
    PAGE_EVENTS_MAX,
    Archive,
    ArchiveError,
    ArchiveUnavailable,
    Listed,
    Page,
    Stored,
)
from schemas.settings import Settings

__all__ = [
    "PAGE_EVENTS_MAX",
    "Archive",
    "ArchiveError",
    "ArchiveUnavailable",
    "Listed",
    "Page",
    "Stored",
    "open_archive",
]


def open_archive(settings: Settings) -> Archive:
    """Make the archive of ``settings.archive.kind``; the store's driver is imported only when it is used."""
    if settings.archive.kind == "cassandra":
        from schemas.archive.cassandra import CassandraArchive  # noqa: PLC0415 - slow to import

        return CassandraArchive(settings.cassandra, settings.archive)
    from schemas.archive.sqlite import SqliteArchive  # noqa: PLC0415

    return SqliteArchive(settings.archive_path, settings.archive)

"""What is asked for, and how far an export got. Pure, but for the clock that its caller reads."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["parquet", "jsonl", "csv"]
VERSION = 1
"""Of the note in the directory."""


class RequestError(ValueError):
    """The user's fault: what is asked for makes no sense. One line."""


@dataclass(frozen=True, slots=True)
class Request:
    """As the user gave it. ``streams`` empty: all. ``since``, ``until``: ms since 1970, or None.

    ``archive`` names the store, so that an export is never continued from another one.
    """

    archive: str
    format: Format
    streams: Sequence[str] = ()
    since: int | None = None
    until: int | None = None

    def differences(self, other: "Request") -> Sequence[str]:
        """Name what is not the same in both."""
        mine, others = asdict(self), asdict(other)
        return [name for name in mine if mine[name] != others[name]]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next part begins: in the epoch that is listed ``behind`` a mark, at ``seq``.

    ``stream_id`` and ``epoch`` say which one that must be; None: whichever comes, from its beginning.
    """

    behind: str | None = None
    stream_id: str | None = None
    epoch: str | None = None
    seq: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """How far an export got. ``until``: ms since 1970, what comes at or after it is left out."""

    request: Request
    until: int
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    position: Position = Position()
    finished: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it stands in the directory."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> "Note":
        """Read it back.

        Raises:
            RequestError: it is of another version of this program.

        """
        if found.get("version") != VERSION:
            raise RequestError(f"it is of version {found.get('version')}, and this program writes {VERSION}")
        rest = {name: value for name, value in found.items() if name != "version"}
        request = rest["request"] | {"streams": tuple(rest["request"]["streams"])}
        return cls(**rest | {"request": Request(**request), "position": Position(**rest["position"])})


def moment(text: str, name: str) -> int:
    """Read a time as ISO 8601 has it, a day alone being its beginning; without a zone it is UTC.

    Returns ms since 1970.

    Raises:
        RequestError: it is none.

    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            f"{name}: {text!r} is no time: write 2026-11-25 or 2026-11-25T18:30+01:00"
        ) from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def check_range(since: int | None, until: int) -> None:
    """Raise RequestError unless ``since`` is before ``until``."""
    if since is not None and since >= until:
        said = " and ".join(
            datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds") for ms in (since, until)
        )
        raise RequestError(f"the range is reversed or empty: there is nothing between {said}")

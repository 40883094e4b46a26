"""Cutting what a step has to write into records of bounded size."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from agents.stage import SEGMENT_BYTES_MAX
from schemas.records import Origin

ITEM_BYTES = 512
"""What an item takes beside its text: ids, name, numbers. Rather too much."""

T = TypeVar("T", bound=Mapping[str, Any])


def weight(item: Mapping[str, Any]) -> int:
    """Return an upper estimate, in bytes, of an encoded item or event."""
    command = item["command"]
    settings = len(command["settings"] or "") if command else 0
    return ITEM_BYTES + 4 * (len(item["text"]) + settings)


def chunked(items: Sequence[T]) -> Iterator[tuple[list[T], bool]]:
    """Yield ``(chunk, whether it is the last)``; one empty chunk where there are no items."""
    chunk: list[T] = []
    size = 0
    for item in items:
        size += weight(item)
        if chunk and size > SEGMENT_BYTES_MAX:
            yield chunk, False
            chunk, size = [], weight(item)
        chunk.append(item)
    yield chunk, True


class Covering(NamedTuple):
    """Items in order of origin, and the origins (after, covered] that they decide."""

    items: list[Any]
    after: Origin
    covered: Origin


def covering(items: Sequence[Mapping[str, Any]], after: Origin, covered: Origin) -> Iterator[Covering]:
    """Cut items with origins into records that each cover up to their own last item."""
    for chunk, last in chunked(items):
        end = covered if last else Origin(chunk[-1]["offset"], chunk[-1]["index"])
        yield Covering(chunk, after, end)
        after = end

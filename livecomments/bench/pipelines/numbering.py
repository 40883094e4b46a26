"""What the Python peers do with a record; the frameworks differ in how they keep the numbers and send.

The same decoding, the same filter and the same encoding as ours, so that what differs is the framework.
"""

from collections.abc import Callable, Iterable, Iterator

from agents.core.verdicts import Platform
from schemas.codec import codec
from schemas.filtering import WordList
from schemas.records import Event, IngestedItem, OriginDict, Sequenced

EPOCH = "bench-0"


class Numbering:
    """Decode, filter, number each stream, encode."""

    def __init__(self, rules: Iterable[str]) -> None:
        self._find = Platform(WordList(tuple(rules))).find
        self._decode = codec("ingested").decode
        self._encode = codec("sequenced").encode

    def outputs(
        self, value: bytes, get: Callable[[str], int], put: Callable[[str, int], None]
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, framed record), one a stream. ``get`` and ``put``: a stream's last number, from 0."""
        batch = self._decode(value)
        accepted: dict[str, list[IngestedItem]] = {}
        for item in batch["items"]:
            if self._find(item["text"]) is None:
                accepted.setdefault(item["stream_id"], []).append(item)
        for stream_id, items in accepted.items():
            seq = get(stream_id)
            put(stream_id, seq + len(items))
            yield stream_id.encode(), self._encode(_segment(stream_id, seq, items, batch["covered"]))


def _segment(stream_id: str, seq: int, items: list[IngestedItem], covered: OriginDict) -> Sequenced:
    return Sequenced(
        stream_id=stream_id,
        epoch=EPOCH,
        from_seq=seq,
        to_seq=seq + len(items),
        origin=covered,
        covered=covered,
        claim="",
        token=0,
        source_token=0,
        events=[_event(item, seq + step) for step, item in enumerate(items, 1)],
        refused=[],
    )


def _event(item: IngestedItem, seq: int) -> Event:
    return Event(
        type="comment",
        seq=seq,
        at=item["at"],
        id=item["id"],
        user_id=item["user_id"],
        user_name=item["user_name"],
        role=item["role"],
        text=item["text"],
        sticker=item["sticker"],
        command=None,
        mask=-1,
    )

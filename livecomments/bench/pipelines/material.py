"""The input of ``bench pipeline`` and ``bench whole``, always the same for the same question.

Comments are those of real logs where some are at hand (``../shared/data/logs``), else of the made-up crowd.
"""

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from agents.ingest import IngestStage
from livecomments.bench.moderation import DATA, WORDS
from livecomments.bench.moderation import material as listed
from livecomments.client import chatlog
from livecomments.client.crowd import Shape, crowd
from schemas.codec import codec
from schemas.items import normal
from schemas.records import INDEX_END, NOTHING, Ingested, IngestedItem, Item, Origin, Submitted
from schemas.routing import partition_of

SEED: Final = 20_261_125
CLAIM: Final = "bench"
COMMENTS_PER_MS: Final = 50
"""How fast the comments were said: within the duplicate window, a stage remembers that many ids."""


@dataclass(frozen=True, slots=True)
class Said:
    """One comment before it has a stream."""

    user: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """``streams`` are commented on at random, evenly; a record holds ``per_record`` comments."""

    streams: int
    per_record: int


@dataclass(frozen=True, slots=True)
class Material:
    """``source``: logs | crowd. ``words``: the banned ones, as rules."""

    source: Literal["logs", "crowd"]
    said: Sequence[Said]
    words: Sequence[str]


def material(comments: int, data: Path = DATA) -> Material:
    """Return so many comments and 5,000 banned words; logs that are too short are read again."""
    logs = sorted((data / "logs").glob("*.jsonl.gz"))
    messages = (each for path in logs for each in chatlog.read(path)) if logs else crowd(Shape())
    texts = ((each, normal(each.text)) for each in messages)
    said = list(islice((Said(each.user, each.name, text) for each, text in texts if text), comments))
    while len(said) < comments:
        said += said[: comments - len(said)]
    return Material("logs" if logs else "crowd", said, listed(data).rules[:WORDS])


def records(case: Case, said: Sequence[Said], now_ms: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, framed record) of ``comments.ingested`` as `ingest` writes them, its claim first.

    The key is for those who keep state by it: the stream where a record has one comment, else one for all.
    """
    chance = random.Random(SEED)  # noqa: S311 - no secret
    encode, covered = codec("ingested").encode, NOTHING
    at = now_ms or round(time.time() * 1000) - len(said) // COMMENTS_PER_MS
    yield b"claim", IngestStage(1).claim(CLAIM)
    for offset, first in enumerate(range(0, len(said), case.per_record)):
        batch = said[first : first + case.per_record]
        after, covered = covered, Origin(offset, INDEX_END)
        items = [
            _item(each, chance, case.streams, Origin(offset, index), at + (first + index) // COMMENTS_PER_MS)
            for index, each in enumerate(batch)
        ]
        record = Ingested(claim="", token=0, after=after.to_wire(), covered=covered.to_wire(), items=items)
        key = items[0]["stream_id"].encode() if case.per_record == 1 else b"batch"
        yield key, encode(record)


def submitted(case: Case, said: Sequence[Said], partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yield (partition, framed record) of ``comments.submitted`` as gateways pack them."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    encode = codec("submitted").encode
    waiting: dict[int, list[Item]] = {}
    for each in said:
        ingested = _item(each, chance, case.streams, NOTHING, 0)
        partition = partition_of(ingested["stream_id"], partitions)
        items = waiting.setdefault(partition, [])
        items.append(Item(**{name: ingested[name] for name in Item.__annotations__}))  # type: ignore[typeddict-item,literal-required]
        if len(items) == case.per_record:
            yield partition, encode(Submitted(gateway=CLAIM, items=waiting.pop(partition)))
    for partition, items in waiting.items():
        yield partition, encode(Submitted(gateway=CLAIM, items=items))


def _item(said: Said, chance: random.Random, streams: int, origin: Origin, at: int) -> IngestedItem:
    return IngestedItem(
        offset=origin.offset,
        index=origin.item,
        at=at,
        type="comment",
        stream_id=f"bench-{chance.randrange(streams)}",
        id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        user_id=said.user,
        user_name=said.name,
        role="viewer",
        text=said.text,
        sticker=None,
        command=None,
    )

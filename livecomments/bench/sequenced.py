"""Made-up records of ``comments.sequenced``, always the same."""

import random
from collections.abc import Sequence

from schemas.codec import codec
from schemas.records import Event, OriginDict, Sequenced
from schemas.routing import partition_of

PARTITIONS = 8
START_MS = 1_700_000_000_000
EPOCH = "bench-0"
USERS = 100_000
TALK = "what a great stream this is hello from everywhere lol nice play go go see you next time wow yes no"
WORDS = TALK.split()


def records(streams: int, comments: int, per_record: int, name: str) -> Sequence[tuple[int, bytes]]:
    """Return (partition, framed record), ``per_record`` comments each, the streams in turn.

    Streams are called ``<name>-<n>``; texts have 3 to 15 words, 42 characters on average.
    """
    encode, chance = codec("sequenced").encode, random.Random(1)  # noqa: S311 - no secret
    origin, made = OriginDict(offset=0, index=0), []
    for number in range(-(-comments // per_record)):
        stream_id, start = f"{name}-{number % streams}", number // streams * per_record
        record = Sequenced(
            stream_id=stream_id,
            epoch=EPOCH,
            from_seq=start,
            to_seq=start + per_record,
            origin=origin,
            covered=origin,
            claim="",
            token=0,
            source_token=0,
            events=[_comment(chance, start + step, number) for step in range(1, per_record + 1)],
            refused=[],
        )
        made.append((partition_of(stream_id, PARTITIONS), encode(record)))
    return made


def _comment(chance: random.Random, seq: int, number: int) -> Event:
    return Event(
        type="comment",
        seq=seq,
        at=START_MS + number * 100,
        id=f"{chance.getrandbits(128):032x}",
        user_id=f"user-{chance.randrange(USERS)}",
        user_name=chance.choice(WORDS).title() + " Somebody",
        role="viewer",
        text=" ".join(chance.choices(WORDS, k=chance.randint(3, 15))),
        sticker=None,
        command=None,
        mask=-1,
    )

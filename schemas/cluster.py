"""Who made the topics, and how often history was declared lost: one entry in ``livecomments.meta``.

``livecomments topics`` writes it; stages and edges read it before they begin.
"""

import json
from dataclasses import asdict, dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.continuity import epoch_of
from schemas.topics import META

KEY = b"incarnation"
POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Cluster:
    """``incarnation``: of the topics; ``counter``: how often history was declared lost."""

    incarnation: str
    counter: int
    partitions: int

    @property
    def epoch(self) -> str:
        """The epoch of new numbers."""
        return epoch_of(self.incarnation, self.counter)

    def mismatch(self, partitions: int) -> str | None:
        """Say what is wrong with a setting of ``partitions``; None: nothing."""
        if self.partitions == partitions:
            return None
        return (
            f"the topics have {self.partitions} partitions, LIVECOMMENTS_KAFKA__PARTITIONS says "
            f"{partitions}; the count cannot change"
        )

    def to_bytes(self) -> bytes:
        """As the topic holds it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> "Cluster":
        """From the topic."""
        return cls(**json.loads(value))


async def last_noted(consumer: AIOKafkaConsumer) -> Cluster | None:
    """Read the topic, which must be there, to its end; None: nothing was noted yet.

    ``consumer``: started, of no group. Raises KafkaError and OSError while Kafka is away; the caller
    bounds the time.
    """
    at = TopicPartition(META.name, 0)
    start = (await consumer.beginning_offsets([at]))[at]
    end = (await consumer.end_offsets([at]))[at]
    consumer.assign([at])
    consumer.seek(at, start)
    found = None
    while await consumer.position(at) < end:
        for row in (await consumer.getmany(at, timeout_ms=POLL_MS)).get(at, []):
            if row.key == KEY:
                found = Cluster.from_bytes(row.value)
    return found

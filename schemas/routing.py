"""Where a stream lives: one partition number, the same in every topic.

The same number as the default partitioner of Kafka's Java clients gives a keyed record (murmur2 of
the key's UTF-8 bytes, sign bit off, modulo), so that anyone's keyed record lands beside ours.
"""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=262_144)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition, 0 ≤ p < ``partitions``, of a stream (or user) id."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions

"""Streams to partitions, as Kafka's Java clients do it."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.routing import partition_of

# From Kafka's own UtilsTest.testMurmur2: (text, murmur2 as a signed 32-bit number).
KNOWN = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


def test_known_values() -> None:
    """murmur2, sign bit off, modulo: the values that Kafka's own tests hold the Java client to."""
    for text, hashed in KNOWN.items():
        for partitions in (1, 3, 8, 64, 10_000):
            assert partition_of(text, partitions) == (hashed & 0x7FFFFFFF) % partitions


@given(st.text(max_size=200), st.integers(1, 10_000))
def test_every_id_has_one_partition(key: str, partitions: int) -> None:
    """In range, and the same at each call."""
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)

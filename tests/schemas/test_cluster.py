"""Who made the topics: the one entry that every process reads before it begins."""

from schemas.cluster import Cluster


def test_what_is_written_is_read() -> None:
    """As the topic holds it, and back."""
    made = Cluster("k3f9", 2, 8)
    assert Cluster.from_bytes(made.to_bytes()) == made
    assert made.epoch == "k3f9-2"


def test_another_partition_count_is_named() -> None:
    """Streams would move: a process with another count does not begin."""
    made = Cluster("k3f9", 0, 8)
    assert made.mismatch(8) is None
    said = made.mismatch(16)
    assert said is not None
    assert "have 8 partitions" in said
    assert "says 16" in said

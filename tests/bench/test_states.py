"""The bench of a stage's state: a real Kafka, a worker that takes a partition."""

from pathlib import Path

import pytest

from livecomments.bench.states import measure


@pytest.mark.integration
def test_a_worker_takes_all_of_the_streams(tmp_path: Path) -> None:
    """Every stream is in its state, and what it took is told."""
    taken = measure(2_000, tmp_path)
    assert taken.streams == 2_000
    assert taken.seconds > 0
    assert taken.mib_max >= taken.mib > 0

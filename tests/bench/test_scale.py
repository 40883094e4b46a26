"""The bench of more workers: real workers on a real Kafka."""

from pathlib import Path

import pytest

from livecomments.bench.pipelines.material import Case
from livecomments.bench.scale import measure


@pytest.mark.integration
def test_two_workers_share_the_partitions_of_a_stage(tmp_path: Path) -> None:
    """All of it comes out, and is counted once."""
    run = measure(tmp_path, "ingest", 2, Case(50, 50), 20_000)
    assert (run.stage, run.workers) == ("ingest", 2)
    assert run.comments == 20_000
    assert run.comments_per_s > 0
    assert set(run.cpu_us) == {"workers", "broker"}

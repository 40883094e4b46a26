"""What the bench of recovery counts on."""

from pathlib import Path

import pytest

from livecomments.bench import recovery
from livecomments.exits import Exit, Failure
from schemas.routing import partition_of
from schemas.settings import Settings


def test_every_partition_is_probed_by_one_stream() -> None:
    """A stage is back when it is back on all of its partitions."""
    probed = recovery._one_a_partition([f"s{n}" for n in range(1_000)], 8)
    assert sorted(partition_of(stream, 8) for stream in probed) == list(range(8))


def test_without_a_stack_it_says_so(tmp_path: Path) -> None:
    """Nothing is killed, and the remedy is named."""
    with pytest.raises(Failure, match="livecomments up") as failure:
        recovery._pid(Settings(data=tmp_path), "sequence")
    assert failure.value.code is Exit.NOT_RUNNING

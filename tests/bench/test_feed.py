"""The bench of the feeds: what it is asked for, and a short run on the real stack."""

import json

import pytest

from livecomments.bench.feed import LOADS, Load, _load
from livecomments.exits import Exit, Failure
from tests.real import RealStack


def test_a_load_is_three_numbers() -> None:
    """Streams, how many of them are watched, comments a second."""
    assert _load("1000,20,600") == Load(1_000, 20, 600)
    for wrong in ("", "1,2", "a,b,c", "5,6,1", "5,0,1", "5,5,0"):
        with pytest.raises(Failure) as caught:
            _load(wrong)
        assert caught.value.code == Exit.USAGE


def test_the_usual_loads_have_all_shapes() -> None:
    """One stream and many, all watched and few of them."""
    assert any(load.streams == 1 for load in LOADS)
    assert any(load.watched < load.streams for load in LOADS)
    assert all(1 <= load.watched <= load.streams for load in LOADS)


@pytest.mark.integration
def test_both_feeds_deliver_everything(stack: RealStack) -> None:
    """Every comment arrives on both edges, and each has its figures."""
    ran = stack.run("bench", "feed", "--load", "4,3,20", "--seconds", "3", "--json", seconds=240)
    assert ran.returncode == 0, ran.stderr
    runs = json.loads(ran.stdout)["runs"]
    assert [run["feed"] for run in runs] == ["kafka", "redis"]
    for run in runs:
        assert run["missing"] == 0
        assert 0 < run["p50_ms"] <= run["p99_ms"]
        assert run["comments_per_second"] > 0
    assert runs[1]["published_p50_ms"] is not None

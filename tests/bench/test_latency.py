"""The bench of the way from submit to display: its sums, and a short run on the real stack."""

import json

import pytest

from livecomments.bench.latency import HOPS, TOPICS, Book, Times, _rates
from livecomments.exits import Exit, Failure
from tests.real import RealStack


def test_percentiles_are_of_what_was_seen() -> None:
    """They are values that occurred."""
    assert Times.of([5.0]) == Times(5.0, 5.0, 5.0, 5.0)
    assert Times.of([float(n) for n in range(100)]) == Times(50.0, 90.0, 99.0, 99.0)


def test_hops_add_up_to_the_whole() -> None:
    """A comment that skipped a topic or was not displayed is in no hop, and counted as missing."""
    book = Book(
        sent={"a": 10.0, "b": 20.0, "c": 30.0},
        acknowledged={"a": 10.2, "b": 20.2, "c": 30.2},
        displayed={"a": 10.6, "b": 20.6},
    )
    book.appended = [{"a": 10 + step / 10, "b": 20 + step / 10} for step in range(1, len(TOPICS) + 1)]
    run = book.run(5.0)
    assert (run.comments, run.missing) == (2, 1)
    assert [hop.hop for hop in run.hops] == list(HOPS)
    assert sum(hop.mean_ms for hop in run.hops) == pytest.approx(600, abs=0.1)
    assert sum(hop.share for hop in run.hops) == pytest.approx(1, abs=0.01)
    assert run.display_ms.p50 == pytest.approx(600, abs=0.1)
    assert run.acknowledged_ms.p50 == pytest.approx(200, abs=0.1)


def test_nothing_arrived_is_said() -> None:
    """A stack that shows nothing is no measurement."""
    book = Book(sent={"a": 1.0}, acknowledged={"a": 1.1}, appended=[{} for _ in TOPICS])
    with pytest.raises(Failure) as caught:
        book.run(1.0)
    assert caught.value.code == Exit.UNHEALTHY


def test_rates_are_numbers() -> None:
    """Comments a second, separated by commas."""
    assert _rates("5,0.5") == [5.0, 0.5]
    for wrong in ("", "x", "0", "-1", "5,,6", "nan"):
        with pytest.raises(Failure) as caught:
            _rates(wrong)
        assert caught.value.code == Exit.USAGE


@pytest.mark.integration
def test_every_hop_of_the_real_stack_is_told(stack: RealStack) -> None:
    """All comments arrive, and the hops' shares make the whole."""
    ran = stack.run(
        "bench", "latency", "--rates", "4,20", "--seconds", "2", "--streams", "20", "--json", seconds=240
    )
    assert ran.returncode == 0, ran.stderr
    runs = json.loads(ran.stdout)["runs"]
    assert [run["rate"] for run in runs] == [4.0, 20.0]
    for run in runs:
        assert run["comments"] == 2 * run["rate"]
        assert (run["missing"], run["refused"]) == (0, {})
        assert 0 < run["display_ms"]["p50"] <= run["display_ms"]["p99"]
        assert [hop["hop"] for hop in run["hops"]] == list(HOPS)
        assert sum(hop["share"] for hop in run["hops"]) == pytest.approx(1, abs=0.01)

"""The capacity formulas: against sums done another way, at their edges, and against the document."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from livecomments.cli import app
from livecomments.operate.figures import Demand, capacity, table

ROOT = Path(__file__).resolve().parents[2]
BASE = Demand(
    viewers=50_000,
    streams=20,
    comments_per_viewer=0.004,
    skew=0.0,
    sampled_from=100_000,
    sampled_rate=4.0,
    connections_per_edge=15_000,
    replication=3,
)


def test_the_document_has_the_same_figures() -> None:
    """docs/operations.md shows the very table that the calculator starts from."""
    assert table() in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_a_small_audience() -> None:
    """20 equal streams: every viewer gets every comment; the numbers of docs/operations.md's formulas."""
    found = capacity(BASE)
    assert found.comments == pytest.approx(200)
    assert found.hottest_viewers == pytest.approx(2_500)
    assert found.deliveries == pytest.approx(50_000 * 2_500 * 0.004)
    assert (found.edges, found.edges_by) == (8, "deliveries")
    assert found.kafka_disk_gib == pytest.approx(200 * 150 * (3 * 6 + 2 * 7 * 24 + 1) * 3600 * 3 / 2**30)
    assert (found.stage_cores, found.partitions, found.archive_nodes, found.warnings) == (1, 8, 1, ())


def test_a_hot_stream_is_sampled() -> None:
    """One stream beyond the threshold costs its viewers times the rate, however much is written."""
    found = capacity(dataclasses.replace(BASE, viewers=5_000_000, streams=1, comments_per_viewer=0.02))
    assert found.deliveries == pytest.approx(5_000_000 * 4)
    assert found.sampled_streams == 1
    assert "beyond-one-partition" in found.warnings[0]


def test_windows_bound_what_a_viewer_gets() -> None:
    """Below the threshold nobody gets more than 20 windows a second."""
    found = capacity(dataclasses.replace(BASE, viewers=90_000, streams=1, comments_per_viewer=1))
    assert found.deliveries == pytest.approx(90_000 * 20)


def test_unequal_streams_against_a_plain_sum() -> None:
    """The sum in steps is within 1 % of the sum over every stream."""
    demand = dataclasses.replace(BASE, viewers=3_000_000, streams=60_000, skew=0.9)
    ranks = [rank**-0.9 for rank in range(1, 60_001)]
    first = 3_000_000 / sum(ranks)
    plain = sum(4.0 * v if v >= 100_000 else v * min(20.0, v * 0.004) for v in (first * r for r in ranks))
    found = capacity(demand)
    assert found.hottest_viewers == pytest.approx(first, rel=0.01)
    assert found.deliveries == pytest.approx(plain, rel=0.01)
    assert found.sampled_streams == sum(first * r >= 100_000 for r in ranks)


@given(st.integers(1, 10**8), st.integers(1, 10**6), st.floats(0, 2), st.floats(0, 1))
def test_more_viewers_never_take_less(viewers: int, streams: int, skew: float, rate: float) -> None:
    """Doubling the audience takes no fewer edges, cores, partitions or bytes."""
    demand = dataclasses.replace(
        BASE, viewers=viewers, streams=streams, skew=skew, comments_per_viewer=rate, sampled_from=float("inf")
    )
    less, more = capacity(demand), capacity(dataclasses.replace(demand, viewers=2 * viewers))
    assert more.edges >= less.edges
    assert more.stage_cores >= less.stage_cores
    assert more.partitions >= less.partitions
    assert more.kafka_disk_gib >= less.kafka_disk_gib


def test_the_verb() -> None:
    """`capacity` prints people's words, or everything as JSON."""
    words = CliRunner().invoke(app, ["capacity", "--viewers", "50000", "--streams", "20", "--skew", "0"])
    assert words.exit_code == 0
    assert "500,000 a second" in words.stdout
    assert "8 (by deliveries" in words.stdout
    found = CliRunner().invoke(app, ["capacity", "--viewers", "50000", "--streams", "20", "--json"])
    assert json.loads(found.stdout)["demand"]["streams"] == 20

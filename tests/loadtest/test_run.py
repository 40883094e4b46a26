"""The load test against a real stack: small, with everything on."""

import json

import pytest

from tests.real import RealStack

pytestmark = pytest.mark.integration


def test_a_small_run_sees_everything_once(stack: RealStack) -> None:
    """Viewers come, authors talk, a moderator acts, all connections are cut: no silent gap, no repeat."""
    told = stack.run(
        "loadtest", "--viewers", "60", "--rate", "20", "--seconds", "6", "--storm", "--churn", "2",
        "--deaf", "1", "--creator-rate", "2", "--moderations", "4",
        "--stream", "loadtest-small", "--json", seconds=110,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr + told.stdout
    report = json.loads(told.stdout)
    assert report["ok"]
    assert report["silent_gaps"] == report["repeats"] == 0
    assert report["display_ms"]["viewers"]["count"] > 1_000
    assert report["display_ms"]["creator"]["count"] > 100
    assert report["resumed"] >= 60
    assert report["not_recovered"] == 0
    assert report["refused"] == {}
    moderation = report["moderation_ms"]
    assert moderation["delete"]["count"] > 100  # at every viewer
    assert moderation["clear"]["count"] > 100
    assert moderation["ban_seen"]["count"] >= 1
    assert report["moderation_counts"] == {}

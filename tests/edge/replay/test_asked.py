"""What may be asked of a replay, and what is said of anything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.replay.asked import (
    POSITION_MS_MAX,
    SPEED_MAX,
    SPEED_MIN,
    Asked,
    AskedWrongError,
    on_call,
    on_subscribe,
)
from tests.edge.protocol.test_codecs import documents


def test_nothing_asked_changes_nothing() -> None:
    """An empty object is as it is."""
    assert on_subscribe({}) == Asked()
    assert on_call({"channel": "replay:demo"}) == ("replay:demo", Asked())


def test_everything_asked() -> None:
    """Each member is taken; the video's beginning and the epoch when subscribing alone."""
    body = {"position_ms": 1500, "speed": 1.5, "paused": True, "starts_at": 17, "epoch": "e-1"}
    assert on_subscribe(body) == Asked(1500, 1.5, paused=True, starts_at=17, epoch="e-1")
    asked = on_call({"channel": "replay:x", "position_ms": 0, "speed": 0.25, "paused": False})
    assert asked == ("replay:x", Asked(0, 0.25, paused=False))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "not a JSON object"), ([], "not a JSON object"), ("x", "not a JSON object"),
        ({"position": 1}, "there is no 'position'"), ({"position_ms": "1"}, "position_ms is not a number"),
        ({"position_ms": True}, "position_ms is not a number"), ({"position_ms": -1}, "position_ms is not 0"),
        ({"position_ms": POSITION_MS_MAX + 1}, "position_ms is not 0"),
        ({"position_ms": float("nan")}, "position_ms is not 0"), ({"speed": 0}, "speed is not 0.25 to 16"),
        ({"speed": 17}, "speed is not"), ({"speed": []}, "speed is not a number"),
        ({"speed": float("inf")}, "speed is not"), ({"paused": 1}, "paused is neither"),
        ({"starts_at": -1}, "starts_at is not"), ({"epoch": 5}, "epoch is not"),
        ({"position_ms": 10**400}, "position_ms is not 0"), ({"epoch": ""}, "epoch is not"),
        ({"epoch": "x" * 101}, "epoch is not"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body: Any, words: str) -> None:
    """The member, and what it may be."""
    with pytest.raises(AskedWrongError, match=words):
        on_subscribe(body)


@pytest.mark.parametrize(
    "body", [{}, {"channel": 1}, {"channel": "x", "starts_at": 1}, {"channel": "x", "epoch": "e"}]
)
def test_a_call_names_a_replay_and_no_more_than_it_may(body: Any) -> None:
    """The beginning of the video is no matter of a call."""
    with pytest.raises(AskedWrongError):
        on_call(body)


@given(documents | st.dictionaries(st.sampled_from(["position_ms", "speed", "paused", "channel"]), documents))
def test_any_document_is_within_bounds_or_refused(body: object) -> None:
    """Nothing else comes out of what a client may send."""
    try:
        asked = on_subscribe(body)
    except AskedWrongError:
        return
    assert asked.position_ms is None or 0 <= asked.position_ms <= POSITION_MS_MAX
    assert asked.speed is None or SPEED_MIN <= asked.speed <= SPEED_MAX

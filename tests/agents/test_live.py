"""What is known of a stream beside its place: settings, checkpoints, pace, when viewers are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.control import AUTO, Override
from agents.core.live import More, Pace, override_of
from agents.testing import TopologyDriver
from agents.topology import build
from schemas.settings import Kafka, Settings
from tests.agents.items import order


def setting(text: str) -> Any:
    return {"type": "settings", "command": {"settings": text}}


@pytest.mark.parametrize(
    ("texts", "override"),
    [
        ([], AUTO),
        (['{"title":"x"}'], AUTO),
        (['{"sampling":"on"}'], Override("on")),
        (['{"sampling":"on"}', '{"title":"x"}'], Override("on")),
        (['{"sampling_viewers":50}', '{"sampling":"off"}'], Override("off", 50)),
        (['{"sampling_viewers":50}', '{"sampling_viewers":0}'], AUTO),
    ],
)
def test_the_last_word_of_a_streams_settings_holds(texts: list[str], override: Override) -> None:
    """Each setting by itself; 0 viewers is the platform's threshold again."""
    assert override_of([setting(text) for text in texts], AUTO) == override
    assert override_of([{"type": "comment", "command": None}], override) == override


mores = st.builds(
    More,
    st.sampled_from([None, "viewers", "latency", "setting"]),
    st.floats(0.5, 4),
    st.builds(Override, st.sampled_from(["auto", "on", "off"]), st.none() | st.integers(1)),
    st.dictionaries(st.text(max_size=3), st.integers(0)),
    st.integers(0),
)


@given(mores)
def test_a_checkpoint_brings_back_what_it_kept(more: More) -> None:
    """The rate only where the stream is sampled."""
    back = More.from_json(more.to_json())
    assert (back.why, back.override, back.reactions, back.reacted) == (
        more.why,
        more.override,
        more.reactions,
        more.reacted,
    )
    assert back.rate == (more.rate if more.why else 0.0)


def test_of_a_stream_like_any_other_nothing_is_kept() -> None:
    """Its entry is as small as before."""
    assert More().to_json() is None
    assert More.from_json(None) == More()


def test_pace_is_counted_over_two_seconds_and_anew_when_the_count_begins_anew() -> None:
    """No stream has a million comments a second because a counter was set back."""
    pace = Pace()
    pace.look(0, 1_000_000, None)
    pace.look(1_000, 1_000_100, None)
    assert pace.arrivals == 0
    pace.look(2_000, 1_000_200, None)
    assert (pace.arrivals, pace.shown) == (100, 100)
    pace.look(2_100, 1_000_200, 0)
    pace.look(4_100, 1_000_600, 20)
    assert (pace.arrivals, pace.shown) == (200, 10)


async def test_only_the_platform_switches_sampling() -> None:
    """Through the whole topology: a creator's word on it is refused, the platform's binds."""
    options = Settings(kafka=Kafka(partitions=1))
    stages = [build(name, options, "test-0") for name in ("ingest", "moderate", "sequence", "sample")]
    async with TopologyDriver(stages, 1) as topology:
        for number, role in enumerate(("creator", "platform")):
            topology.submit([order("s", number, "settings", role=role, settings={"sampling": "on"})])
            topology.advance(1)
            await topology.settle()
            assert ("s" in topology.state("sample", 0).sampled) == (role == "platform")
        (notice,) = topology.records("comments.notices")
        assert notice["id"].endswith("0")

"""Which faults a run meets, and in which order."""

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomments.nemesis import kinds


@given(st.integers(0, 2**32))
def test_every_kind_comes_once_before_any_comes_again(seed: int) -> None:
    """A run that is long enough meets everything, the same with the same seed."""
    chosen = kinds.chosen([], cassandra=False, clock=True)
    met: list[str] = []
    for step in kinds.steps(chosen, random.Random(seed)):
        met += step.kinds
        if len(met) >= 2 * len(chosen):
            break
    assert Counter(met[: len(chosen)]) == Counter(chosen)
    again = list(islice(kinds.steps(chosen, random.Random(seed)), 10))
    assert again == list(islice(kinds.steps(chosen, random.Random(seed)), 10))


def test_words_choose_kinds() -> None:
    """A word is a kind, or what is done, or to what."""
    of = lambda *words: kinds.chosen(words, cassandra=False, clock=True)  # noqa: E731
    assert of("kill-edge") == ("kill-edge",)
    assert set(of("kafka")) >= {"kill-kafka", "cut-kafka", "deaf-kafka"}
    assert all(kind.startswith("kill-") for kind in of("kill"))
    assert of("none") == ()
    assert of() == kinds.ALL
    with pytest.raises(ValueError, match="'meteor'"):
        of("meteor")


def test_fused_stages_are_harmed_as_one() -> None:
    """What is done to one of them is done to their process, once in a round; the rest stays as it is."""
    there = kinds.chosen([], cassandra=False, clock=True, fused=True)
    assert len(there) == len(set(there))
    assert {"kill-fused", "pause-fused", "freeze-fused", "clock-fused", "kill-edge", "kill-kafka"} <= {*there}
    assert not [kind for kind in there if kind.partition("-")[2] in kinds.STAGES]
    assert kinds.chosen(["fused"], cassandra=False, clock=False, fused=True) == (
        *("kill-fused", "pause-fused", "freeze-fused"),
    )


def test_what_cannot_be_done_here_is_not_chosen() -> None:
    """Without Cassandra or libfaketime there are no faults of theirs."""
    there = kinds.chosen([], cassandra=False, clock=False)
    assert not any("cassandra" in kind or kind.startswith("clock") for kind in there)
    assert "kill-cassandra" in kinds.chosen([], cassandra=True, clock=False)


def test_the_smoke_does_everything_and_everyone_once() -> None:
    """Every way of doing harm, and every process of ours and server, is in the short list."""
    done = kinds.smoke_kinds(clock=True)
    assert {kind.partition("-")[0] for kind in done} == {kind.partition("-")[0] for kind in kinds.ALL}
    killed = {kind.partition("-")[2] for kind in done if kind.startswith("kill-")}
    assert killed >= {*kinds.OURS, "kafka", "redis"}
    assert len(set(done)) == len(done)
    assert not any(kind.startswith("clock") for kind in kinds.smoke_kinds(clock=False))

"""Mutated frames and handshakes: no crash, no growth. `tests.edge.fuzz` runs any number of them."""

import pytest

from tests.edge.fuzz import run

FRAMES = 50_000


@pytest.mark.parametrize("seed", [20261125, 20261126])
async def test_no_crash_and_no_growth(seed: int) -> None:
    """No error of ours whatever comes, and in the end nothing is left of it."""
    found = await run(FRAMES, seed)
    assert found["frames"] >= FRAMES
    assert found["commands"] > FRAMES // 10

"""All stages in one process on real servers: what it hands on and what Kafka brings make one order."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.integration.people import Authors, Viewer, made_up, until, watching
from tests.integration.test_whole import ARRIVE_SECONDS, everywhere, pid_of
from tests.real import real_stack

pytestmark = pytest.mark.integration
MESSAGES = 1_000


async def test_a_killed_fused_worker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle: everything arrives once, in one order, and the same in the archive."""
    (tmp_path / "livecomments.toml").write_text("[limits]\ncomments_per_second = 10000.0\n")
    with real_stack(tmp_path, "--fused") as stack:
        async with aiohttp.ClientSession() as session:
            authors, viewer = Authors(stack, "fused", session), Viewer()
            await authors.create()
            async with watching(stack.edge, "fused", viewer):
                saying = asyncio.create_task(authors.say(made_up(MESSAGES), per_second=300))
                await until(lambda: len(authors.accepted) > MESSAGES // 4 or saying.done(), ARRIVE_SECONDS)
                killed = pid_of(stack, "fused")
                assert killed is not None
                os.kill(killed, signal.SIGKILL)
                await saying
                await until(lambda: pid_of(stack, "fused") not in {killed, None}, ARRIVE_SECONDS)
                await everywhere([viewer], authors, session, stack, "fused")

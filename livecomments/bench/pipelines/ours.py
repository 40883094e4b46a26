"""Ours: ``moderate`` and ``sequence`` in one worker process: ``python -m livecomments.bench.pipelines.ours``.

The real stages, runners and consumers, with the settings of the environment; they meet in
``comments.moderated`` on Kafka, as in production.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import uvloop
from redis.asyncio import Redis

from agents import faustapp, topology
from agents.cluster import read_epoch
from agents.kafka import KafkaLog
from agents.moderate import ModerateStage
from agents.projection import Projection
from agents.runner import PartitionRunner
from agents.sequence import SequenceStage
from agents.worker import AgentShell, Runner
from schemas import garbage
from schemas.logs import configure
from schemas.settings import Settings, load, raise_open_files_limit


async def main(settings: Settings) -> None:
    """Run until it is ended."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(KafkaLog(settings.kafka, settings.stage.recovery_seconds))
        epoch = await read_epoch(log, settings)
        projection = Projection(Redis.from_url(settings.redis.url))
        work: list[Any] = [projection.run()]
        turn = asyncio.Lock()
        following: AgentShell | None = None
        for name in (SequenceStage.name, ModerateStage.name):
            stage = topology.build(name, settings, epoch)
            stage.hands_on = following is not None
            on_effects = projection.changed if isinstance(stage, ModerateStage) else None
            make = partial(
                _runner,
                name=name,
                stage=stage,
                log=log,
                on_effects=on_effects,
                on_durable=following.hand if following else None,
                settings=settings,
                turn=turn,
            )
            shell = following = AgentShell(name, stage.source, settings, make, stage.hears)
            await shell.app.start()
            work += [
                shell.supervise(),
                shell.watch(log),
                shell.checkpoint_every(settings.stage.checkpoint_seconds),
            ]
        garbage.settle()
        await asyncio.gather(*work)


def _runner(
    partition: int,
    acknowledge: Callable[[int], None],
    *,
    name: str,
    stage: Any,
    log: KafkaLog,
    on_effects: Any,
    on_durable: Any,
    settings: Settings,
    turn: asyncio.Lock,
) -> Runner:
    return PartitionRunner(
        stage,
        partition,
        log=log,
        worker=f"{name}-bench",
        acknowledge=acknowledge,
        on_effects=on_effects,
        on_durable=on_durable,
        inbox_records_max=settings.stage.inbox_records_max,
        merge_records_max=settings.stage.merge_records_max,
        turn=turn,
    )


if __name__ == "__main__":
    given = load()
    configure(given.log, "bench")
    raise_open_files_limit()
    faustapp.quiet()
    uvloop.run(main(given))

"""A server of the stack alone, in a directory of its own, started and stopped by the stack's own code."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from livecomments.stack import launch, plan
from livecomments.stack.addresses import Ports
from schemas.settings import load

Server = Literal["kafka", "redis", "cassandra"]


@contextmanager
def running(directory: Path, *names: Server) -> Iterator[Ports]:
    """Run these servers and nothing else; yield their ports; stop them at the end.

    Raises:
        Failure: one could not be started.

    """
    spare = launch.spare_ports(set())
    ports = Ports(*(next(spare) for _ in range(5)))
    shape = plan.Shape(cassandra="cassandra" in names)
    whole = launch.prepare(load({}), ports, directory, shape, lambda *_: None)
    servers = tuple(each for each in whole.servers if each.name in names)
    order = (tuple(each.name for each in servers),)
    launch.run_detached(
        replace(whole, servers=servers, tasks=(), ours=(), stop_order=order), lambda _event: None
    )
    try:
        yield ports
    finally:
        launch.stop(directory)

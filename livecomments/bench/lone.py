"""A stack's servers without its stages, started and stopped by the stack's own code."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from livecomments.stack import launch, plan, state
from livecomments.stack.addresses import Ports, settings_at
from schemas.settings import Settings, load

Server = Literal["kafka", "redis", "cassandra"]


@dataclass(frozen=True, slots=True)
class Lone:
    """Servers that run in ``directory``, and the settings that lead to them."""

    directory: Path
    ports: Ports
    settings: Settings

    def pid(self, name: Server) -> int:
        """Return a server's process."""
        found = state.read(self.directory)
        processes = [each.process for each in found.services if each.name == name] if found else []
        if not processes or processes[0] is None:
            raise LookupError(f"{name} does not run in {self.directory}")
        return processes[0].pid


@contextmanager
def running(directory: Path, *names: Server) -> Iterator[Lone]:
    """Run these servers and nothing else; stop them at the end.

    Raises:
        Failure: one could not be started.

    """
    spare = launch.spare_ports(set())
    ports = Ports(*(next(spare) for _ in range(5)))
    settings = settings_at(load({}), ports, directory, cassandra="cassandra" in names)
    shape = plan.Shape(cassandra="cassandra" in names)
    whole = launch.prepare(settings, ports, directory, shape, lambda *_: None)
    servers = tuple(each for each in whole.servers if each.name in names)
    order = (tuple(each.name for each in servers),)
    launch.run_detached(
        replace(whole, servers=servers, tasks=(), ours=(), stop_order=order), lambda _event: None
    )
    try:
        yield Lone(directory, ports, settings)
    finally:
        launch.stop(directory)

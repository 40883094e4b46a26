"""A stack's servers without its stages, started and stopped by the stack's own code."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from livecomments.stack import launch, plan, state
from livecomments.stack.addresses import Ports, settings_at
from livecomments.stack.plan import stack_environment
from schemas.settings import Settings, load

VERB: Final = (sys.executable, "-m", "livecomments")
VERB_SECONDS: Final = 120.0
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


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    """Return what processes are run with that use these servers, and say little."""
    return os.environ | stack_environment(settings) | {"LIVECOMMENTS_LOG__LEVEL": "warning"} | more


def verb(environment: Mapping[str, str], *arguments: str) -> None:
    """Run a verb of ours to its end. Raises CalledProcessError, TimeoutExpired."""
    subprocess.run([*VERB, *arguments], env=environment, check=True, timeout=VERB_SECONDS, stdout=sys.stderr)


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

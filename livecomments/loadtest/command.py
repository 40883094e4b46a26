"""The verb ``livecomments loadtest``."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from livecomments.exits import Exit
from livecomments.loadtest.conductor import Plan, run
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.settings import raise_open_files_limit


def loadtest(  # noqa: PLR0917 - Typer calls it by name
    port_base: PortBase = None,
    data: DataDir = None,
    viewers: Annotated[int, typer.Option("--viewers", min=1, max=100_000, help="Sockets.")] = 1_000,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Comments a second, all authors.")] = 5.0,
    seconds: Annotated[float, typer.Option("--seconds", min=2, max=3_600, help="Of talking.")] = 20.0,
    stream: Annotated[str, typer.Option("--stream", help="Which stream.")] = "loadtest",
    creator_rate: Annotated[
        float, typer.Option("--creator-rate", min=0, help="Of --rate, by the creator: always shown.")
    ] = 0.0,
    connects: Annotated[
        float, typer.Option("--connects", min=1, help="New connections a second, a process.")
    ] = 500.0,
    churn: Annotated[float, typer.Option("--churn", min=0, help="Connections cut a second.")] = 0.0,
    storm: Annotated[bool, typer.Option("--storm", help="Cut all connections at half time.")] = False,
    kill_edge: Annotated[bool, typer.Option("--kill-edge", help="SIGKILL an edge at half time.")] = False,
    starve_edge: Annotated[
        float,
        typer.Option("--starve-edge", min=0, max=0.95, help="Of an edge's time, in the second quarter."),
    ] = 0.0,
    deaf: Annotated[int, typer.Option("--deaf", min=0, help="Viewers that never read.")] = 0,
    moderations: Annotated[
        float, typer.Option("--moderations", min=0, help="Deletes and clears a second, and bans meanwhile.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Of churn and back-off.")] = 1,
    as_json: Json = False,
) -> None:
    """Put viewers by the ten thousand on a running stack, let authors talk, and say what was seen.

    Every viewer follows the client rule: a silent gap or a repeat makes it exit with 11. Times are from
    submitting a comment to its arrival at a viewer, on this machine's one clock; ages from the log.
    """
    raise_open_files_limit()
    # An author may say two comments a second (limits.comments_per_second).
    authors = max(1, round(rate / 1.5) + 1)
    plan = Plan(
        stream,
        viewers,
        seconds,
        rate,
        authors,
        creator_rate,
        connects,
        churn,
        storm,
        kill_edge,
        starve_edge,
        deaf,
        moderations_per_second=moderations,
        seed=seed,
    )
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)
        report = asyncio.run(
            run(
                plan,
                stack_settings(port_base, data),
                lambda words, done, total: bar.update(task, description=words, completed=done, total=total),
            )
        )
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report)
    if not report["ok"]:
        raise typer.Exit(Exit.UNHEALTHY)


def _print(report: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None)
    for name, value in report.items():
        if value in (None, {}):
            continue
        shown = value
        if isinstance(value, dict):
            shown = "  ".join(f"{key} {_short(each)}" for key, each in value.items())
        table.add_row(name.replace("_", " "), str(shown))
    Console().print(table)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {each}" for key, each in value.items())
    return str(value)

"""``livecomments topology``: the graph of agents, topics and tables, as the code builds it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from agents.topology import Node, describe
from livecomments.options import Json


def topology(
    format_: Annotated[
        Literal["text", "mermaid", "json"], typer.Option("--format", help="text, mermaid or json")
    ] = "text",
    json_: Json = False,
) -> None:
    """Show the graph of agents, topics and tables, as the code builds it."""
    typer.echo(RENDERERS["json" if json_ else format_](describe()))


def text(nodes: Sequence[Node]) -> str:
    """Render one line an agent."""
    lines = []
    for row in map(asdict, nodes):
        name = row["agent"] if row["agent"] == row["stage"] else f"{row['stage']}/{row['agent']}"
        table = f"   table: {row['table']}" if row["table"] else ""
        source = " + ".join((row["source"], *row["hears"]))
        lines.append(f"{name:<16} {source:<20} → {', '.join(row['sinks'])}{table}")
    return "\n".join(lines)


def mermaid(nodes: Sequence[Node]) -> str:
    """Render a Mermaid flowchart."""
    lines = ["flowchart LR"]
    for row in map(asdict, nodes):
        agent = f"{row['stage']}_{row['agent']}"
        lines.append(f"  {agent}([{row['agent']}])")
        lines.append(f"  {_id(row['source'])}[{row['source']}] --> {agent}")
        lines += [f"  {_id(topic)}[{topic}] -.-> {agent}" for topic in row["hears"]]
        lines += [f"  {agent} --> {_id(sink)}[{sink}]" for sink in row["sinks"]]
        if row["table"]:
            lines.append(f"  {agent} <-.-> {_id(row['table'])}[({row['table']})]")
    return "\n".join(lines)


def as_json(nodes: Sequence[Node]) -> str:
    """Render a JSON list of agents."""
    return json.dumps([asdict(node) for node in nodes], indent=1)


def _id(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")


RENDERERS: dict[str, Callable[[Sequence[Node]], str]] = {"text": text, "mermaid": mermaid, "json": as_json}
"""Format → function of the graph; tests use them too."""

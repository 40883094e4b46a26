"""Options that several verbs share, so that they are spelled and explained alike."""

from pathlib import Path
from typing import Annotated

import typer

PortBase = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        metavar="N",
        min=1024,
        max=65_000,
        help="The stack whose edge, API, Kafka, Redis and Cassandra are at N, N+1, N+2, N+3, N+4.",
    ),
]
"""``None`` takes the ports from the settings (8000, 8001, 9092, 6379, 9042 unless set)."""

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        file_okay=False,
        help="Where the stack's data and logs live. Default: data, or data-N with --port-base N.",
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

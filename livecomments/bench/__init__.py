"""``livecomments bench``: measure a part of the system, as its issue asks; ``--json`` for machines.

To add a bench, write a function with Typer annotations in a module of this package and name it in
:data:`BENCHES`. A module is imported when its bench is asked for.
"""

from collections.abc import Mapping
from typing import ClassVar

import typer

from livecomments.cli import LazyVerbs

BENCHES: dict[str, str] = {
    "archive": "livecomments.bench.archive:archive",
    "edge": "livecomments.bench.edge:edge",
    "feed": "livecomments.bench.feed:feed",
    "latency": "livecomments.bench.latency:latency",
    "moderation": "livecomments.bench.moderation:moderation",
    "pipeline": "livecomments.bench.pipeline:pipeline",
    "recovery": "livecomments.bench.recovery:recovery",
    "sampling": "livecomments.bench.sampling:sampling",
    "scale": "livecomments.bench.scale:scale",
    "state": "livecomments.bench.states:state",
    "whole": "livecomments.bench.whole:whole",
}
"""Bench → ``module:attribute``, in the order of ``--help``."""


class _Benches(LazyVerbs):
    verbs: ClassVar[Mapping[str, str]] = BENCHES


app = typer.Typer(cls=_Benches, add_completion=False, no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure a part of the system."""

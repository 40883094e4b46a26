"""``livecomments verify``: check what was written down of a run, by whoever ran it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import Json
from livecomments.verify.check import check
from livecomments.verify.facts import Minimum
from livecomments.verify.files import FactError, FactFiles
from livecomments.verify.report import Report


def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", exists=True, dir_okay=False, help="Facts, one a line.")
    ],
    publishes: Annotated[int, typer.Option(min=0, help="Fewer publishes do not count.")] = 100,
    deliveries: Annotated[int, typer.Option(min=0, help="Fewer deliveries do not count.")] = 1000,
    faults: Annotated[int, typer.Option(min=0, help="Fewer faults do not count.")] = 0,
    json_: Json = False,
) -> None:
    """Check a history: lost, doubled, reordered, changed, phantom, unannounced, shown after delete.

    Facts come from `livecomments nemesis --keep DIR`, or from anybody who writes them (see
    livecomments/verify/facts.py). Exit code 15: there are anomalies; 16: there are none, and too little was
    done for that to mean anything.
    """
    try:
        report = check(FactFiles(files), Minimum(publishes, deliveries, faults))
    except FactError as error:
        raise Failure(Exit.BAD_FILE, str(error)) from error
    typer.echo(json.dumps(report.to_json()) if json_ else "\n".join(report.lines()))
    raise typer.Exit(exit_code(report))


def exit_code(report: Report) -> Exit:
    """Return what a report means for a script."""
    if not report.clean:
        return Exit.ANOMALIES
    return Exit.OK if report.ok else Exit.TOO_LITTLE

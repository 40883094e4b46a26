"""Exit codes, and the one error that carries one.

A verb that cannot do its work raises :class:`Failure`; :func:`livecomments.cli.main` prints its single
line on stderr and exits with its code. Scripts may rely on the numbers: none is ever given a new meaning.
"""

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """What the number a verb exits with means."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    SETTINGS = 3
    PORT_TAKEN = 4
    ALREADY_RUNNING = 5
    DISK_FULL = 6
    MISSING_PACKAGE = 7
    NO_REGISTRY = 8
    NOT_READY = 9
    NOT_RUNNING = 10
    UNHEALTHY = 11
    REFUSED = 12
    UNKNOWN = 13
    BAD_FILE = 14
    ANOMALIES = 15
    TOO_LITTLE = 16
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done",
    Exit.FAILURE: "a fault that has no code of its own",
    Exit.USAGE: "wrong arguments",
    Exit.SETTINGS: "a setting that does not exist or has a bad value",
    Exit.PORT_TAKEN: "a port is taken by another program",
    Exit.ALREADY_RUNNING: "a stack already runs in this data directory",
    Exit.DISK_FULL: "too little free disk space",
    Exit.MISSING_PACKAGE: "a package or program is not installed",
    Exit.NO_REGISTRY: "a download failed: the package repository was not reached",
    Exit.NOT_READY: "a service did not become ready in its time",
    Exit.NOT_RUNNING: "the stack, or the part of it that is needed, does not run",
    Exit.UNHEALTHY: "doctor found something wrong",
    Exit.REFUSED: "the system refused the request",
    Exit.UNKNOWN: "it is not known whether the request was carried out; repeat it with the same id",
    Exit.BAD_FILE: "a file that cannot be read, or is not what it should be",
    Exit.ANOMALIES: "a promise was not kept: the report says which, with examples",
    Exit.TOO_LITTLE: "nothing was found, in a run that did too little for that to mean anything",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}


class Failure(Exception):  # noqa: N818 - it is the outcome of a verb, and reads as one
    """A verb cannot do its work: one line that says what happened, to what, and what to do.

    ``details`` are further lines (the end of a log file), printed below the one line.
    """

    def __init__(self, code: Exit, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)


def epilog() -> str:
    """Return the exit codes as the end of ``livecomments --help``."""
    rows = [f"{code.value:>3}  {code.meaning}" for code in Exit]
    return "Exit codes:\n\n" + "\n\n".join(rows)

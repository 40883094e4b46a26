"""Facts to lines and back: one JSON object a line."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from livecomments.verify.facts import (
    Archived,
    Command,
    Content,
    Dead,
    Fact,
    Fault,
    Hole,
    Judged,
    Listen,
    Minimum,
    Notice,
    Place,
    Present,
    Publish,
    Quiet,
    Receive,
    Row,
    Run,
    Segment,
    Stall,
    Submission,
    Submitted,
    Subscribe,
    Told,
    Verdicts,
)


class FactError(Exception):
    """The file's fault: a line that is no fact."""


_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (Run, Publish, Command, Subscribe, Receive, Listen, Told, Present, Submitted, Verdicts,
                 Segment, Notice, Dead, Row, Archived, Fault, Stall, Quiet)
}  # fmt: skip
_SHAPES: dict[tuple[type[Any], str], Any] = {
    (Run, "minimum"): lambda value: Minimum(**value | {"kinds": tuple(value["kinds"])}),
    (Subscribe, "got"): lambda value: Place(*value),
    (Subscribe, "asked"): lambda value: value and Place(*value),
    (Listen, "got"): lambda value: Place(*value),
    (Listen, "asked"): lambda value: value and Place(*value),
    (Receive, "events"): lambda value: tuple(Content(*row) for row in value),
    (Receive, "hole"): lambda value: value and Hole(*value),
    (Submitted, "items"): lambda value: tuple(Submission(*row) for row in value),
    (Verdicts, "items"): lambda value: tuple(Judged(*row) for row in value),
    (Segment, "events"): lambda value: tuple(Content(*row) for row in value),
    (Segment, "refused"): lambda value: tuple((row[0], row[1]) for row in value),
    (Row, "content"): lambda value: Content(*value),
    (Quiet, "missing"): tuple,
}
_SHAPED: dict[type[Any], list[str]] = {}
for _kind, _name in _SHAPES:
    _SHAPED.setdefault(_kind, []).append(_name)

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_line(fact: Fact) -> str:
    """Write a fact as one line, without its end."""
    kind = type(fact)
    if kind is Run:
        return _encode({"fact": "run", **asdict(fact)})
    return _encode({"fact": kind.__name__.lower()} | {name: getattr(fact, name) for name in kind.__slots__})


def from_line(line: str) -> Fact:
    """Read a fact; raises FactError."""
    try:
        value = json.loads(line)
        kind = _KINDS[value.pop("fact")]
        for name in _SHAPED.get(kind, ()):
            if name in value:
                value[name] = _SHAPES[kind, name](value[name])
        fact: Fact = kind(**value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FactError(f"not a fact: {type(error).__name__}: {line[:80]!r}") from error
    return fact


class FactFiles:
    """Facts in files; may be iterated more than once."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)

    def __iter__(self) -> Iterator[Fact]:
        for path in self._paths:
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield self._fact(path, number, line)

    @staticmethod
    def _fact(path: Path, number: int, line: str) -> Fact:
        try:
            return from_line(line)
        except FactError as error:
            raise FactError(f"{path}:{number}: {error}") from error

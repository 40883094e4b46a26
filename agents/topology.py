"""Which stages there are and what they stand on: the one builder.

`describe` is the graph that ``livecomments topology`` prints and that a test holds against
``topology.md``. Building opens nothing; `agents.worker` and `agents.testing` give the stages a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from agents.core.words import Words, listed
from agents.ingest import IngestStage
from agents.moderate import ModerateStage
from agents.persist import ArchiveSink, FlatSink, WindowSink
from agents.sample import SampleStage
from agents.sequence import SequenceStage
from agents.sink import Sink
from agents.stage import Stage
from schemas.settings import Settings
from schemas.topics import AUDIT, DLQ, FLAT, NOTICES

STAGES: tuple[type[Stage[Any]], ...] = (IngestStage, ModerateStage, SequenceStage, SampleStage)
SINKS: tuple[type[Sink], ...] = (ArchiveSink, WindowSink, FlatSink)
NAMES = (*(stage.name for stage in STAGES), "persist")
"""Process kinds, in order of the dataflow."""

_SIDES = {"ingest": (DLQ,), "moderate": (AUDIT, DLQ), "sequence": (NOTICES, DLQ), "sample": (DLQ,)}
_STORES = {"archive": "archive", "window": "redis", "flat": FLAT.name}


@dataclass(frozen=True, slots=True)
class Node:
    """One agent of the graph."""

    stage: str
    agent: str
    source: str
    sinks: tuple[str, ...]
    table: str | None


def build(name: str, settings: Settings, epoch: str) -> Stage[Any]:
    """Build one of the stages that write to the log. ``epoch``: the cluster's."""
    partitions = settings.kafka.partitions
    match name:
        case IngestStage.name:
            return IngestStage(partitions)
        case ModerateStage.name:
            return ModerateStage(platform_words(settings), epoch)
        case SequenceStage.name:
            return SequenceStage(epoch, settings.limits.duplicate_window_seconds * 1000, partitions)
        case SampleStage.name:
            return SampleStage(epoch)
        case _:
            raise ValueError(f"no stage is called {name!r}; there are {', '.join(NAMES)}")


def platform_words(settings: Settings) -> Words:
    """Read the platform-wide list: the settings' file, or the one that ships."""
    file = settings.moderation.words_file
    text = file.read_text(encoding="utf-8") if file else _shipped_words()
    return Words(listed(text.splitlines()))


def describe() -> Sequence[Node]:
    """Return the graph, in order of the dataflow."""
    stages = [
        Node(
            stage.name,
            stage.name,
            stage.source.name,
            (stage.sink.name, *(topic.name for topic in _SIDES[stage.name])),
            stage.table.name if stage.table else None,
        )
        for stage in STAGES
    ]
    sinks = [Node("persist", sink.name, sink.source.name, (_STORES[sink.name],), None) for sink in SINKS]
    return [*stages, *sinks]


@cache
def _shipped_words() -> str:
    return (resources.files("agents") / "words.txt").read_text(encoding="utf-8")

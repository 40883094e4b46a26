"""Which stages there are and what they stand on: the one builder.

`describe` is the graph that ``livecomments topology`` prints and that a test holds against
``topology.md``. Building opens nothing; `agents.worker` and `agents.testing` give the stages a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.analyse import AnalyseStage
from agents.classifiers import open_panel
from agents.ingest import IngestStage
from agents.moderate import ModerateStage
from agents.persist import ArchiveSink, FlatSink, WindowSink
from agents.sample import SampleStage
from agents.samplestate import Options
from agents.sequence import SequenceStage
from agents.sink import Sink
from agents.stage import Stage
from schemas import wordfiles
from schemas.filtering import WordList
from schemas.settings import Settings
from schemas.topics import AUDIT, DLQ, FLAT, NOTICES

STAGES: tuple[type[Stage[Any]], ...] = (IngestStage, ModerateStage, SequenceStage, SampleStage)
BESIDE: tuple[type[Stage[Any]], ...] = (AnalyseStage,)
"""Stages that the path of comments does not need; they run where they are asked for."""
SINKS: tuple[type[Sink], ...] = (ArchiveSink, WindowSink, FlatSink)
NAMES = (*(stage.name for stage in STAGES), "persist", *(stage.name for stage in BESIDE))
"""Process kinds, in order of the dataflow."""
FUSED = "fused"
"""The process kind that is all stages of the path of comments, and `persist`, in one: see `agents.ahead`."""

_SIDES = {
    "ingest": (DLQ,),
    "moderate": (AUDIT, NOTICES, DLQ),
    "sequence": (NOTICES, DLQ),
    "sample": (NOTICES, DLQ),
    "analyse": (DLQ,),
}
_STORES = {"archive": "archive", "window": "redis", "flat": FLAT.name}


@dataclass(frozen=True, slots=True)
class Node:
    """One agent of the graph."""

    stage: str
    agent: str
    source: str
    sinks: tuple[str, ...]
    table: str | None
    hears: tuple[str, ...] = ()


def build(name: str, settings: Settings, epoch: str, options: Options | None = None) -> Stage[Any]:
    """Build one of the stages that write to the log. ``epoch``: the cluster's; ``options``: of `sample`."""
    partitions = settings.kafka.partitions
    match name:
        case IngestStage.name:
            return IngestStage(partitions)
        case ModerateStage.name:
            window_ms = settings.limits.duplicate_window_seconds * 1000
            words, panel = WordList(wordfiles.read(settings.moderation)), open_panel(settings.moderation)
            return ModerateStage(words, epoch, window_ms, panel, partitions=partitions)
        case SequenceStage.name:
            return SequenceStage(epoch, settings.limits.duplicate_window_seconds * 1000, partitions)
        case SampleStage.name:
            return SampleStage(epoch, options or Options.of(settings))
        case AnalyseStage.name:
            return AnalyseStage(epoch)
        case _:
            raise ValueError(f"no stage is called {name!r}; there are {', '.join(NAMES)}")


def describe() -> Sequence[Node]:
    """Return the graph, in order of the dataflow."""
    stages = [
        Node(
            stage.name,
            stage.name,
            stage.source.name,
            (stage.sink.name, *(topic.name for topic in _SIDES[stage.name])),
            stage.table.name if stage.table else None,
            tuple(topic.name for topic in stage.hears),
        )
        for stage in (*STAGES, *BESIDE)
    ]
    sinks = [Node("persist", sink.name, sink.source.name, (_STORES[sink.name],), None) for sink in SINKS]
    return [*stages[: len(STAGES)], *sinks, *stages[len(STAGES) :]]

"""What the runs of ``bench pipeline`` say when they are held against each other. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from livecomments.bench.pipelines.conduct import Run

OURS: Final = "livecomments"
BAR_CHARS: Final = 50


@dataclass(frozen=True, slots=True)
class Ratio:
    """Comments a second of ours at ``ours_per_record``, over those of ``system`` at ``per_record``."""

    system: str
    streams: int
    per_record: int
    ours_per_record: int
    ratio: float

    def __str__(self) -> str:
        return (
            f"{self.streams:>7} streams: ours at {self.ours_per_record} a record is {self.ratio:.2f} × "
            f"{self.system} at {self.per_record}"
        )


def ratios(runs: Sequence[Run]) -> list[Ratio]:
    """Hold each peer against ours on the very same records, and, at one a record, against our largest."""
    ours = {(run.streams, run.per_record): run.comments_per_s for run in runs if run.system == OURS}
    found = []
    for run in runs:
        if run.system == OURS:
            continue
        sizes = [batch for streams, batch in ours if streams == run.streams]
        against = {run.per_record} & set(sizes)
        if run.per_record == 1 and sizes:
            against.add(max(sizes))
        found += [
            Ratio(
                run.system,
                run.streams,
                run.per_record,
                batch,
                round(ours[run.streams, batch] / run.comments_per_s, 3),
            )
            for batch in sorted(against)
        ]
    return found


def chart(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a bar a run; the longest is the fastest."""
    fastest = max((run.comments_per_s for run in runs), default=0.0)
    for run in sorted(runs, key=lambda each: (each.streams, each.per_record, -each.comments_per_s)):
        bar = "█" * max(1, round(BAR_CHARS * run.comments_per_s / fastest))
        yield (f"{run.streams:>7} × {run.per_record:<3} {run.system:<14} {bar} {run.comments_per_s:,.0f}/s")

"""What was found, with counts and examples, and what the counts support."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from livecomments.verify.facts import Minimum

EXAMPLES_MAX = 10
"""Of each kind; all are counted."""


class Kind(StrEnum):
    """Anomalies."""

    LOST = "lost"
    DUPLICATE = "duplicate"
    REORDERED = "reordered"
    SILENT_GAP = "silent gap"
    FALSE_GAP = "false gap"
    PHANTOM = "phantom"
    CHANGED = "changed content"
    UNMODERATED = "unmoderated"
    SHOWN_AFTER_DELETE = "shown after delete"
    TWO_CONTENTS = "sequence with two contents"
    ARCHIVE = "archive difference"
    TWO_OUTCOMES = "two outcomes"
    FALSE_EPOCH = "false epoch"
    MISDELIVERED = "shown to the wrong viewer"
    BROKEN_LOG = "broken log"
    NOT_QUARANTINED = "not quarantined"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One finding. ``detail`` names ids, numbers and positions, never a text."""

    kind: Kind
    detail: str


@dataclass(slots=True)
class Report:
    """The result of a check.

    ``problems``: why the run does not count (too few operations, nothing was quiet at the end).
    """

    seeds: tuple[int, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there was no anomaly."""
        return not self.anomalies.total()

    @property
    def ok(self) -> bool:
        """Whether there was no anomaly, in a run that counts."""
        return self.clean and not self.problems

    def add(self, anomaly: Anomaly) -> None:
        """Count one finding."""
        self.anomalies[anomaly.kind] += 1
        examples = self.examples.setdefault(anomaly.kind, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(anomaly.detail)

    def hold_against(self, minimum: Minimum) -> None:
        """Note as problems what the run did too little of."""
        done = {"publishes": self.counts["publishes"], "deliveries": self.counts["deliveries"]}
        done["faults"] = self.faults.total()
        for name, count in done.items():
            least = getattr(minimum, name)
            if count < least:
                self.problems.append(f"{count} {name}, and a run that counts has at least {least}")
        missing = [kind for kind in minimum.kinds if not self.faults[kind]]
        if missing:
            self.problems.append(f"faults that did not happen: {', '.join(missing)}")

    def merged(self, other: "Report") -> "Report":
        """Return both as one; each run's problems keep its seeds."""
        return Report(
            (*self.seeds, *other.seeds),
            self.counts + other.counts,
            self.faults + other.faults,
            self.anomalies + other.anomalies,
            {
                kind: (self.examples.get(kind, []) + other.examples.get(kind, []))[:EXAMPLES_MAX]
                for kind in self.examples | other.examples
            },
            [*self.problems, *other.problems],
        )

    @property
    def bound(self) -> str:
        """What the counts support (rule of three: none in n means fewer than 3/n, at 95%)."""
        deliveries, publishes = self.counts["deliveries"], self.counts["publishes"]
        if not self.clean:
            return "none: there are anomalies"
        if not deliveries or not publishes:
            return "none: nothing was delivered or published"
        return (
            f"no anomaly in {publishes} publishes and {deliveries} deliveries under {self.faults.total()} "
            f"faults: at 95% confidence, and under faults like these, fewer than {3 / publishes:.1e} of "
            f"publishes and {3 / deliveries:.1e} of deliveries have one"
        )

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "ok": self.ok,
            "clean": self.clean,
            "seeds": list(self.seeds),
            "counts": dict(sorted(self.counts.items())),
            "faults": dict(sorted(self.faults.items())),
            "anomalies": {
                str(kind): {"count": count, "examples": self.examples.get(kind, [])}
                for kind, count in sorted(self.anomalies.items())
                if count
            },
            "problems": self.problems,
            "bound": self.bound,
        }

    def lines(self) -> Iterator[str]:
        """Yield the report for people, as Markdown."""
        verdict = "clean" if self.ok else "ANOMALIES" if not self.clean else "DOES NOT COUNT"
        yield f"**{verdict}** — seeds {', '.join(map(str, self.seeds)) or 'unknown'}"
        yield ""
        yield from (f"- problem: {problem}" for problem in self.problems)
        yield f"- supports: {self.bound}"
        yield ""
        yield "| count | |"
        yield "|---|---|"
        yield from (f"| {name} | {count} |" for name, count in sorted(self.counts.items()))
        yield ""
        yield "| fault | times |"
        yield "|---|---|"
        yield from (f"| {name} | {count} |" for name, count in sorted(self.faults.items()))
        yield ""
        yield "| anomaly | count |"
        yield "|---|---|"
        yield from (f"| {kind} | {self.anomalies[kind]} |" for kind in Kind)
        for kind, examples in sorted(self.examples.items()):
            yield ""
            yield f"{kind}:"
            yield ""
            yield from (f"- {example}" for example in examples)

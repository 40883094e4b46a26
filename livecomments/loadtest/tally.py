"""Counts and percentiles that add up over processes. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


class Histogram:
    """Of milliseconds, in steps of 1/16 of a power of two (at most 7% off); adds up."""

    STEPS = 16

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, ms: float) -> None:
        """Count one."""
        self.counts[self.bucket(ms)] += 1

    def merge(self, other: "Histogram") -> None:
        """Add another's counts."""
        self.counts.update(other.counts)

    @classmethod
    def bucket(cls, ms: float) -> int:
        """Return the number of the bucket of ``ms``: exact to 1/8 ms below 2 ms, then by powers of two."""
        eighths = max(0, int(ms * 8))
        if eighths < cls.STEPS:
            return eighths
        power = eighths.bit_length() - 5
        return cls.STEPS * (power + 1) + (eighths >> power) - cls.STEPS

    @classmethod
    def upper_ms(cls, bucket: int) -> float:
        """Return the end of a bucket."""
        if bucket < cls.STEPS:
            return (bucket + 1) / 8
        power, step = bucket // cls.STEPS - 1, bucket % cls.STEPS
        return ((step + cls.STEPS + 1) << power) / 8

    @property
    def total(self) -> int:
        """How many were counted."""
        return self.counts.total()

    def percentile(self, share: float) -> float | None:
        """Return the ms within which ``share`` (0 to 1) of them are; None: there are none."""
        wanted, seen = share * self.total, 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return self.upper_ms(bucket)
        return None

    def summary(self) -> dict[str, float | int | None]:
        """Return count, p50, p90, p99, p99.9 and the largest, in ms."""
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
        return {"count": self.total, **{name: self.percentile(share) for name, share in shares.items()}}


class Tally:
    """What a crowd saw. Counters by name, and histograms by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: dict[str, Histogram] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Count ``by`` more."""
        self.counts[name] += by

    def time(self, name: str, ms: float) -> None:
        """Count a time."""
        found = self.times.get(name)
        if found is None:
            found = self.times[name] = Histogram()
        found.add(ms)

    def merge(self, other: "Tally") -> None:
        """Add another's."""
        self.counts.update(other.counts)
        for name, histogram in other.times.items():
            self.times.setdefault(name, Histogram()).merge(histogram)

    def to_json(self) -> dict[str, Any]:
        """Return it as a document."""
        times = {name: {str(k): v for k, v in each.counts.items()} for name, each in self.times.items()}
        return {"counts": dict(self.counts), "times": times}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Tally":
        """Read it back."""
        found = cls()
        found.counts.update(value["counts"])
        for name, counts in value["times"].items():
            found.times[name] = Histogram({int(k): v for k, v in counts.items()})
        return found


def merged(tallies: Iterable[Tally]) -> Tally:
    """Add all up."""
    whole = Tally()
    for each in tallies:
        whole.merge(each)
    return whole

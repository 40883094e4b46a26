"""What ``livecomments top`` shows: two looks at every process's metrics, and what moved between. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

STAGE = "livecomments_stage_"
EDGE = "livecomments_edge_"
API_REQUESTS = "livecomments_api_requests_total"

Page = Mapping[tuple[str, str], float]
"""(name, value of the ``agent`` label or "") → value, summed over other labels."""


@dataclass(frozen=True, slots=True)
class Look:
    """The pages of all processes that answered, at one time (seconds, monotonic)."""

    at: float
    pages: Mapping[str, Page]


@dataclass(frozen=True, slots=True)
class StageRow:
    """An agent in one process. Rates are a second; ``core``: the share of a core spent in steps."""

    process: str
    agent: str
    records: float
    per_step: float
    core: float
    lag: float
    waiting: float
    dead: float
    store_away: bool


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """An edge process. Rates are a second."""

    process: str
    connections: float
    streams: float
    deliveries: float
    windows: float
    accepted: float
    refused: float
    resumed: float
    holes: float
    stale: float


@dataclass(frozen=True, slots=True)
class View:
    """One screen. ``silent``: processes that do not answer."""

    stages: Sequence[StageRow]
    edges: Sequence[EdgeRow]
    api_requests: float
    streams: Sequence[Mapping[str, Any]]
    silent: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "stages": [asdict(row) for row in self.stages],
            "edges": [asdict(row) for row in self.edges],
            "api_requests": self.api_requests,
            "streams": list(self.streams),
            "silent": list(self.silent),
        }


def page_of(text: str) -> Page:
    """Parse a ``/metrics`` page; raises ValueError on what is none."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, sample.labels.get("agent", ""))
            found[key] = found.get(key, 0.0) + sample.value
    return found


def view(before: Look, after: Look, known: Sequence[str], streams: Sequence[Mapping[str, Any]] = ()) -> View:
    """Hold two looks against each other. ``known``: the names of all processes that should answer.

    A process that was started again in between counts from 0; one that answered once only has rates of 0.
    """
    seconds = max(after.at - before.at, 1e-9)
    stages, edges, requests = [], [], 0.0
    for name, page in after.pages.items():
        moved = _Moved(before.pages.get(name), page, seconds)
        stages += [
            _stage(name, agent, moved) for agent in sorted({agent for key, agent in page if _is_stage(key)})
        ]
        if (f"{EDGE}connections", "") in page:
            edges.append(_edge(name, moved))
        requests += moved.rate(API_REQUESTS)
    silent = [name for name in known if name not in after.pages]
    return View(stages, edges, requests, streams, silent)


@dataclass(frozen=True, slots=True)
class _Moved:
    before: Page | None
    after: Page
    seconds: float

    def now(self, name: str, agent: str = "") -> float:
        return self.after.get((name, agent), 0.0)

    def rate(self, name: str, agent: str = "") -> float:
        if self.before is None:
            return 0.0
        now, then = self.now(name, agent), self.before.get((name, agent), 0.0)
        return (now - then if now >= then else now) / self.seconds


def _is_stage(name: str) -> bool:
    return name == f"{STAGE}records_total"


def _stage(process: str, agent: str, moved: _Moved) -> StageRow:
    records, steps = moved.rate(f"{STAGE}records_total", agent), moved.rate(f"{STAGE}steps_total", agent)
    return StageRow(
        process=process,
        agent=agent,
        records=records,
        per_step=records / steps if steps else 0.0,
        core=moved.rate(f"{STAGE}step_seconds_total", agent),
        lag=moved.now(f"{STAGE}lag_records", agent),
        waiting=moved.now(f"{STAGE}waiting_records", agent),
        dead=moved.now(f"{STAGE}dead_letters_total", agent),
        store_away=moved.now(f"{STAGE}store_away", agent) > 0,
    )


def _edge(process: str, moved: _Moved) -> EdgeRow:
    return EdgeRow(
        process=process,
        connections=moved.now(f"{EDGE}connections"),
        streams=moved.now(f"{EDGE}streams"),
        deliveries=moved.rate(f"{EDGE}deliveries_total"),
        windows=moved.rate(f"{EDGE}windows_total"),
        accepted=moved.rate(f"{EDGE}publishes_total"),
        refused=moved.rate(f"{EDGE}publishes_refused_total"),
        resumed=moved.rate(f"{EDGE}recoveries_total"),
        holes=moved.now(f"{EDGE}holes_total"),
        stale=moved.now(f"{EDGE}places_stale"),
    )

"""``livecomments bench sampling``: is what a hot stream shows fair, and how many comments a core samples.

The fairness figures are simulated in the log's time, with fixed seeds, through the sampler that runs in
`sample`; the speeds are measured in processor time: of the sampler alone, and of the stage with its records.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.core.control import Override
from agents.core.sampling import Sampler
from agents.log import Record
from agents.sample import SampleStage
from agents.samplestate import Options
from agents.topology import build
from livecomments.options import Json
from livecomments.simulate.sampling import (
    CHI2_MAX,
    SECRET,
    Author,
    Outcome,
    crowd,
    event,
    played,
    run,
    written,
)
from schemas.codec import codec
from schemas.records import NOTHING, Event, Item, Origin, Sequenced, Submitted
from schemas.routing import partition_of
from schemas.settings import Kafka, Settings

RATE = 4.0
PER_LANE = 3.0
LANES_PER_SECOND = 64 * PER_LANE + RATE - PER_LANE
ARRIVALS = (50, 100, 193, 250, 400, 1_000, 4_000)
SECONDS = 60.0
NORMAL = 1 / 15
"""Comments a second of an ordinary author; 30 times that is what a gateway lets anybody write."""
RARE = 1 / 60
HOT_PER_SECOND = 50_000
PER_RECORD = 500
STREAM = "bench"
EPOCH = "bench-0"
START_MS = 1_800_000_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and what issue 7 asks of it."""

    name: str
    value: float
    unit: str
    asked: str
    met: bool


def sampling(
    logs: Annotated[
        list[Path] | None,
        typer.Option("--log", exists=True, dir_okay=False, help="A chat log to be sped up; again for more."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the simulated crowds.")] = 1,
    json_: Json = False,
) -> None:
    """Measure sampling: rates, coverage, fairness, repeats, and comments a second on one core."""
    figures = [*fairness(seed), *(each for log in logs or () for each in of_log(log)), *speed()]
    if json_:
        typer.echo(json.dumps({"seed": seed, "figures": [asdict(each) for each in figures]}))
    else:
        for each in figures:
            verdict = "met" if each.met else "NOT met"
            typer.echo(f"{each.name:<58} {each.value:>12,.4g} {each.unit:<14} asked {each.asked}, {verdict}")
    raise typer.Exit(0 if all(each.met for each in figures) else 1)


def fairness(seed: int) -> Iterator[Figure]:
    """Yield the simulated figures."""
    for arrivals in ARRIVALS:
        outcome = run(written(crowd(arrivals, RARE), SECONDS, seed), warm_s=2)
        yield from _rates(f"{arrivals}/s", outcome)
        want = min(1.0, LANES_PER_SECOND / arrivals)
        off = outcome.coverage - want
        yield Figure(f"{arrivals}/s: coverage, off {want:.4f}", off, "", "±0.02", abs(off) <= 0.02)
        if arrivals >= 400:
            overlap = outcome.overlap
            yield Figure(f"{arrivals}/s: overlap of lanes", overlap, "Jaccard", "< 0.02", overlap < 0.02)
    for arrivals in (400, 2_000):
        authors = crowd(arrivals, NORMAL, spread=True)
        strata = {author.name: author.stratum for author in authors}
        outcome = run(written(authors, 120, seed), strata=strata, warm_s=30)
        yield Figure(
            f"{arrivals}/s: shown against the weights",
            outcome.chi2,
            "χ² (7)",
            "< 24.3",
            outcome.chi2 < CHI2_MAX,
        )
        yield _loud(arrivals, seed)
    burst = Author("burst", 20.0, 20.0, 20.0)
    outcome = run(written([*crowd(400, NORMAL), burst], SECONDS, seed))
    most = outcome.most_within_5_s("burst")
    yield Figure("cold burst of 400 in 20 s: on a lane within 5 s", most, "comments", "≤ 1", most <= 1)


def _rates(name: str, outcome: Outcome) -> Iterator[Figure]:
    low, high = outcome.in_any_second(lanes_alone=True)
    yield Figure(f"{name}: of a lane in any second, fewest", low, "comments", "≥ 2", low >= 2)
    yield Figure(f"{name}: of a lane in any second, most", high, "comments", "≤ 4", high <= 4)
    low, high = outcome.in_any_second(lanes_alone=False)
    yield Figure(f"{name}: of a viewer in any second, fewest", low, "comments", "≥ 3", low >= 3)
    yield Figure(f"{name}: of a viewer in any second, most", high, "comments", "≤ 5", high <= 5)
    repeats = outcome.repeats
    yield Figure(f"{name}: shown twice", repeats, "comments", "0", repeats == 0)


def _loud(arrivals: float, seed: int) -> Figure:
    """Hold authors that write 30 times as much against the others, in steady state."""
    authors, loud = crowd(arrivals, NORMAL), [Author(f"loud{n}", 30 * NORMAL) for n in range(3)]
    outcome = run(written([*authors, *loud], 400, seed), warm_s=120)
    each = sum(outcome.impressions[author.name] for author in authors) / len(authors)
    share = sum(outcome.impressions[author.name] for author in loud) / len(loud) / each
    return Figure(f"{arrivals}/s: impressions at 30 times the rate", share, "times", "≤ 2.5", share <= 2.5)


def of_log(path: Path) -> Iterator[Figure]:
    """Yield the figures of a chat log, sped up to 400 and 2,000 comments a second on average."""
    from livecomments.client.chatlog import read  # noqa: PLC0415

    rows = [(message.t_ms, message.user, message.text) for message in read(path)]
    seconds = max(rows[-1][0] / 1000, 1.0)
    for arrivals in (400, 2_000):
        outcome = run(played(rows, arrivals * seconds / len(rows)), warm_s=1)
        name = f"{path.name.split('.')[0]} at {arrivals}/s"
        low, high = outcome.in_any_second(lanes_alone=True)
        yield Figure(f"{name}: of a lane in any second, most", high, "comments", "≤ 4", high <= 4)
        yield Figure(f"{name}: of a lane in any second, fewest", low, "comments", "any", met=True)
        yield Figure(f"{name}: shown twice", outcome.repeats, "comments", "0", outcome.repeats == 0)
        yield Figure(f"{name}: shown of distinct", outcome.coverage, "", "any", met=True)


def speed() -> Iterator[Figure]:
    """Yield the measured figures."""
    events = list(hot(10))
    rate = _sampler_speed(events)
    yield Figure("sampler alone, one stream", rate, "comments/s/core", "≥ 50,000", rate >= HOT_PER_SECOND)
    rate, fanned = stage_speed(events)
    yield Figure("stage, its records read and written", rate, "comments/s/core", "any", met=True)
    yield Figure("fan-out of that stream", fanned, "comments/s", "≤ 300", fanned <= 300)
    for name, rate in one_stream():
        yield Figure(f"one stream through {name}", rate, "comments/s/core", "any", met=True)


def one_stream() -> Iterator[tuple[str, float]]:
    """Yield comments a second of processor time that one stream, in one partition, has in each stage."""
    settings = Settings(kafka=Kafka(partitions=1))
    events = list(hot(4))
    rows = [
        Record(offset, part[0]["at"], None, codec("submitted").encode(_submitted(part)))
        for offset, part in enumerate(_parts(events))
    ]
    for name in ("ingest", "moderate", "sequence", "sample"):
        stage = build(name, settings, EPOCH)
        state, written = stage.open(0), list[Record]()
        begun = time.process_time()
        for row in rows:
            written += [Record(0, row.timestamp, key, value) for key, value in stage.step(state, [row]).main]
            stage.tick(state, 0.0)
        yield name, len(events) / (time.process_time() - begun)
        rows = [row._replace(offset=offset) for offset, row in enumerate(written)]


def hot(seconds: float) -> Iterator[Event]:
    """Yield ``seconds`` of 50,000 comments a second of 200,000 authors, half of them beyond ASCII."""
    for seq in range(1, int(HOT_PER_SECOND * seconds) + 1):
        text = f"what a stream {seq % 60_000}" if seq % 2 else f"así se hace ⚡ {seq % 60_000}"
        yield event(seq, START_MS + seq * 1000 // HOT_PER_SECOND, f"u{seq * 7919 % 200_000}", text)


def _sampler_speed(events: Sequence[Event]) -> float:
    sampler = Sampler(STREAM, 0, SECRET, RATE)
    begun = time.process_time()
    for part in _parts(events):
        sampler.take(part)
    return len(events) / (time.process_time() - begun)


def stage_speed(events: Sequence[Event]) -> tuple[float, float]:
    """Return comments a second through the stage, and of those a second of the log that are fanned out."""
    records = [
        Record(offset, part[-1]["at"], b"", codec("sequenced").encode(_segment(part)))
        for offset, part in enumerate(_parts(events))
    ]
    options = Options.of(Settings())
    stage = SampleStage(EPOCH, options)
    state = stage.open(partition_of(STREAM, options.partitions))
    state.live(STREAM).override = Override("on")
    state.touched.add(STREAM)
    stage.tick(state, 0.0)
    begun, rows = time.process_time(), list[Any]()
    for record in records:
        rows += stage.step(state, [record]).main
        rows += stage.tick(state, float(record.timestamp - START_MS)).main
    spent = time.process_time() - begun
    shown = sum(len(codec("fanout").decode(value)["events"]) for _, value in rows)
    return len(events) / spent, shown / (len(events) / HOT_PER_SECOND)


def _submitted(part: Sequence[Event]) -> Submitted:
    items = [
        Item(
            type="comment",
            stream_id=STREAM,
            id=each["id"],
            user_id=each["user_id"],
            user_name=each["user_name"],
            role=each["role"],
            text=each["text"],
            sticker=None,
            command=None,
        )
        for each in part
    ]
    return Submitted(gateway="bench", items=items)


def _segment(part: Sequence[Event]) -> Sequenced:
    origin = Origin(part[-1]["seq"], 0).to_wire()
    return Sequenced(
        stream_id=STREAM,
        epoch=EPOCH,
        from_seq=part[0]["seq"] - 1,
        to_seq=part[-1]["seq"],
        origin=origin,
        covered=NOTHING.to_wire(),
        claim="",
        token=0,
        source_token=-1,
        events=list(part),
        refused=[],
    )


def _parts(events: Iterable[Event]) -> Iterator[list[Event]]:
    rows = list(events)
    for start in range(0, len(rows), PER_RECORD):
        yield rows[start : start + PER_RECORD]

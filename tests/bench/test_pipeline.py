"""The bench of the pipeline: its input, what peers do with it, its sums, and a short run on a real Kafka."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.log import Record
from agents.moderate import ModerateStage
from agents.stage import Output as StageOutput
from livecomments.bench.pipeline import _numbers, _systems
from livecomments.bench.pipelines.conduct import Output, Run, Seen
from livecomments.bench.pipelines.material import Case, Said, material, records
from livecomments.bench.pipelines.numbering import Numbering
from livecomments.bench.pipelines.summary import chart, ratios
from livecomments.exits import Exit, Failure
from schemas.codec import codec
from schemas.filtering import WordList
from tests.real import environment

SAID = [
    Said(f"user-{n % 7}", "Somebody", "plain forbidden" if n % 5 == 0 else f"hello {n}") for n in range(25)
]
NOW_MS = 1_700_000_000_000


def test_the_input_is_the_same_each_time() -> None:
    """The same question gets the same records, all comments in order, over no more streams than asked."""
    case = Case(3, 10)
    made = list(records(case, SAID, NOW_MS))
    assert made == list(records(case, SAID, NOW_MS))
    items = [item for _, value in made for item in codec("ingested").decode(value)["items"]]
    assert [item["text"] for item in items] == [said.text for said in SAID]
    assert len({item["stream_id"] for item in items}) == 3
    assert len({item["id"] for item in items}) == len(SAID)


def test_one_comment_a_record_is_keyed_by_its_stream() -> None:
    """Who keeps state by key keeps it by stream then."""
    for key, value in list(records(Case(4, 1), SAID, NOW_MS))[1:]:
        assert [item["stream_id"].encode() for item in codec("ingested").decode(value)["items"]] == [key]


def test_the_stage_takes_the_input() -> None:
    """The real stage finds no stretch of log missing, and refuses what the peers drop."""
    stage = ModerateStage(WordList(("forbidden",)), "bench-0")
    state, output = stage.open(0), StageOutput()
    for offset, (key, value) in enumerate(records(Case(3, 4), SAID, NOW_MS)):
        output.main += stage.step(state, [Record(offset, NOW_MS, key, value)]).main
    verdicts = [
        item["verdict"] for _, value in output.main for item in codec("moderated").decode(value)["items"]
    ]
    assert verdicts == ["reject" if n % 5 == 0 else "allow" for n in range(25)]


@pytest.mark.parametrize("per_record", [1, 10])
def test_peers_number_each_stream_without_a_gap(per_record: int) -> None:
    """What is banned is left out, and the rest has its stream's next number."""
    numbering, numbers = Numbering(["forbidden"]), dict[str, int]()
    seen: dict[str, list[int]] = {}
    for _, value in records(Case(3, per_record), SAID, NOW_MS):
        for key, out in numbering.outputs(value, lambda stream: numbers.get(stream, 0), numbers.__setitem__):
            segment = codec("sequenced").decode(out)
            assert segment["stream_id"].encode() == key
            seen.setdefault(segment["stream_id"], []).extend(event["seq"] for event in segment["events"])
    assert sum(map(len, seen.values())) == 20
    assert all(found == list(range(1, len(found) + 1)) for found in seen.values())


def test_the_rate_is_from_the_first_to_the_last_output() -> None:
    """A claim counts as none, and what came first is not counted over time that it did not take."""
    output = Output(begun_ms=5_000, with_first=20, counts=[0, 10, 20, 110], ended_ms=6_000)
    run = output.run("quix", Case(1, 10), Seen(0, 2, 1.0), Seen(0, 4, 1.5), whole=True)
    assert run.comments_per_s == 90
    assert run.cpu_us == 5_000
    assert run.comments == 110
    early = output.run("livecomments", Case(1, 10), Seen(0, 0, 0.4), Seen(0, 4, 1.5), whole=True)
    assert early.cpu_us == 10_000


def test_too_little_to_measure_is_said() -> None:
    """All output at one time has no rate."""
    for output in (Output(2, 50, [0, 50], 2), Output(1, 50, [0, 50], 2)):
        with pytest.raises(Failure, match="--comments"):
            output.run("quix", Case(1, 50), Seen(0, 0, 1.0), Seen(0, 2, 1.0), whole=True)


def test_peers_are_held_against_ours() -> None:
    """On the same records, and at one a record against our micro-batches; where ours did not run, not."""
    runs = [
        Run("livecomments", 1, 1, 100.0, 9.0, 10, whole=True),
        Run("livecomments", 1, 50, 900.0, 1.0, 10, whole=True),
        Run("quix", 1, 1, 200.0, 5.0, 10, whole=True),
        Run("quix", 1, 50, 450.0, 2.0, 10, whole=True),
        Run("quix", 1000, 50, 450.0, 2.0, 10, whole=True),
    ]
    assert [(each.per_record, each.ours_per_record, each.ratio) for each in ratios(runs)] == [
        (1, 1, 0.5),
        (1, 50, 4.5),
        (50, 50, 2.0),
    ]
    bars = {line.count("█") for line in chart(runs)}
    assert max(bars) == 50
    assert not list(chart([]))


def test_options_that_are_wrong_are_refused() -> None:
    """With what is allowed."""
    assert _numbers("--streams", "1,1000") == [1, 1000]
    for wrong in ("", "0", "x", "1,,2"):
        with pytest.raises(Failure) as caught:
            _numbers("--streams", wrong)
        assert caught.value.code == Exit.USAGE
    with pytest.raises(Failure, match="naive-faust"):
        _systems(["flink"])


def test_a_crowd_stands_in_for_logs(tmp_path: Path) -> None:
    """Where no logs are at hand, there are as many comments, and words as well."""
    made = material(500, tmp_path)
    assert (made.source, len(made.said), len(made.words)) == ("crowd", 500, 5_000)


@pytest.mark.integration
def test_ours_and_faust_do_the_same_on_a_real_kafka(tmp_path: Path) -> None:
    """Both are measured on the same input, accept the same comments, and leave no gap.

    Of enough comments: 6,000 were at times written within one tick of the processor's clock, 10 ms.
    """
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "livecomments", "bench", "pipeline", "--json", "--comments", "30000"),
            *("--streams", "20", "--per-record", "10", "--system", "livecomments", "--system", "naive-faust"),
        ],
        env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    runs = json.loads(ran.stdout)["runs"]
    assert [run["system"] for run in runs] == ["livecomments", "naive-faust"]
    for run in runs:
        assert (run["streams"], run["per_record"], run["whole"]) == (20, 10, True)
        assert run["comments_per_s"] > 0
        assert run["cpu_us"] > 0
    assert runs[0]["comments"] == runs[1]["comments"] > 4_000

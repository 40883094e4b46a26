"""The input of ``bench whole``: what gateways would have submitted."""

from agents.ingest import IngestStage
from agents.log import Record
from livecomments.bench.pipelines.material import Case, Said, submitted
from schemas.codec import codec
from schemas.routing import partition_of

PARTITIONS = 4
SAID = [Said(f"u{n % 7}", "U", f"comment {n}") for n in range(500)]


def test_every_comment_is_in_a_record_of_its_streams_partition() -> None:
    """Full records but for the last of each partition; nothing is left out."""
    made = list(submitted(Case(20, 50), SAID, PARTITIONS))
    texts = []
    for partition, value in made:
        items = codec("submitted").decode(value)["items"]
        assert {partition_of(item["stream_id"], PARTITIONS) for item in items} == {partition}
        texts += [item["text"] for item in items]
    assert sorted(texts) == sorted(each.text for each in SAID)
    short = [value for _, value in made if len(codec("submitted").decode(value)["items"]) < 50]
    assert len(short) <= PARTITIONS


def test_ingest_takes_all_of_it() -> None:
    """None of it is a dead letter."""
    stage = IngestStage(PARTITIONS)
    for partition, value in submitted(Case(20, 50), SAID, PARTITIONS):
        output = stage.step(stage.open(partition), [Record(0, 5, None, value)])
        assert output.before == []


def test_the_same_question_has_the_same_input() -> None:
    """Runs are of the same records."""
    assert list(submitted(Case(3, 10), SAID, 1)) == list(submitted(Case(3, 10), SAID, 1))

"""``livecomments bench archive``: what it prints, and that what it writes is what it says."""

import json
from itertools import groupby

from typer.testing import CliRunner

from livecomments.bench import app
from livecomments.bench.sequenced import PARTITIONS, records
from schemas.codec import codec
from schemas.routing import partition_of


def test_it_tells_rates_and_pages() -> None:
    """With ``--json``, one object: each figure with its unit, and whether what was asked is met."""
    shown = CliRunner().invoke(app, ["archive", "--comments", "2000", "--stored", "3000", "--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert (found["kind"], found["stage"]) == ("sqlite", False)
    runs = {each["name"]: each for each in found["runs"]}
    assert {"write_200_streams", "write_own_streams", "write_one_stream", "page_200_median"} <= set(runs)
    assert runs["write_200_streams"]["target"] == 30_000
    assert all(each["value"] > 0 for each in runs.values())
    for each in found["runs"]:
        if each["target"] is not None:
            more = each["value"] >= each["target"]
            assert each["met"] is (more if each["unit"].endswith("/s") else not more)


def test_the_workload_is_what_sequence_would_write() -> None:
    """Each stream's records are contiguous from 1, in its own partition, and always the same."""
    made = records(7, 1_000, 10, "s")
    assert made == records(7, 1_000, 10, "s")
    decoded = [(partition, codec("sequenced").decode(value)) for partition, value in made]
    for stream, rows in groupby(
        sorted(decoded, key=lambda row: row[1]["stream_id"]), lambda row: row[1]["stream_id"]
    ):
        seqs = []
        for partition, record in rows:
            assert partition == partition_of(stream, PARTITIONS)
            assert record["from_seq"] == len(seqs)
            seqs += [event["seq"] for event in record["events"]]
        assert seqs == list(range(1, len(seqs) + 1))
    assert sum(len(record["events"]) for _, record in decoded) == 1_000

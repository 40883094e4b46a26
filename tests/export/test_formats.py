"""What the files hold, read with the tools that analysts use."""

import csv
import json
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from livecomments.export.formats import COLUMNS, Csv
from schemas.archive import Archive
from schemas.views import event_view
from tests.archive.events import comment, order
from tests.export.helpers import SHOWN_ROWS, lines, run

FLAGS = ", is_from_converted_type=false, force_set_converted_type=false"


@pytest.fixture
async def out(archive: Archive, tmp_path: Path) -> Path:
    await run(archive, tmp_path / "out", format_="parquet", rows=25)
    return tmp_path / "out"


async def test_duckdb_reads_it(archive: Archive, tmp_path: Path, out: Path) -> None:
    """Every row of the JSON lines is there with the same values, and the day is a column."""
    await run(archive, tmp_path / "lines", rows=25)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        query = """
            SELECT stream_id, epoch, seq, type, epoch_ms(time), id, user_id, text, target,
                date = CAST(time AS DATE)
            FROM read_parquet(?, hive_partitioning = true)
        """
        found = db.execute(query, [f"{out}/date=*/*.parquet"]).fetchall()
    expected = [
        (
            each["stream_id"],
            each["epoch"],
            each["seq"],
            each["type"],
            each["at"],
            each.get("id", f"o{each['seq']}"),
            (each.get("user") or each["by"])["id"],
            each.get("text"),
            each.get("target"),
            True,
        )
        for each in lines(tmp_path / "lines")
    ]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_pandas_reads_it(out: Path) -> None:
    """The directory as it is: note and mark are passed over, times have their zone."""
    frame = pd.read_parquet(out)
    assert len(frame) == SHOWN_ROWS
    assert set(frame.columns) == {*COLUMNS, "date"}
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"
    assert frame[frame["type"] == "comment"]["target"].isna().all()


def test_spark_can_read_its_types(out: Path) -> None:
    """Spark knows no nanoseconds and no large strings: the Parquet types are the plain ones."""
    for file in out.glob("date=*/*.parquet"):
        found = pq.ParquetFile(file)
        kinds = {
            str(found.schema.column(n).logical_type).replace(FLAGS, "") for n in range(len(found.schema))
        }
        assert kinds == {
            "String",
            "None",
            "Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds)",
        }
        assert found.metadata.row_group(0).column(0).compression == "ZSTD"


async def test_json_lines_are_what_viewers_get(archive: Archive, tmp_path: Path) -> None:
    """An event's JSON is the one of the protocol, with its place before it."""
    await run(archive, tmp_path / "out", "one")
    page = await archive.read("one", from_seq=1, epoch="e1-0", comments_only=False)
    assert page is not None
    expected = [{"stream_id": "one", "epoch": "e1-0"} | event_view(event) for event in page.events]
    assert [each for each in lines(tmp_path / "out") if each["epoch"] == "e1-0"] == expected


def test_csv_holds_any_text(tmp_path: Path) -> None:
    """Commas, quotes and line breaks come back as they were; what is not there is empty."""
    encoder = Csv()
    text = 'a, "b"\nc\r\n🎉'
    words = json.dumps({"words": ["secret"], "slow_mode_seconds": 5})
    encoder.add("s", "e-0", [comment(1, text=text, at=1_500), order(2, "settings", settings=words)])
    with (tmp_path / "x.csv").open("wb") as file:
        encoder.write(file)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as read:
        rows = list(csv.DictReader(read))
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[0]["text"], rows[0]["time"], rows[0]["target"]) == (text, "1970-01-01T00:00:01.500Z", "")
    assert rows[1]["settings"] == '{"slow_mode_seconds": 5}'  # a word list is told to nobody

"""What is asked for: times, ranges, and the note that is read back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomments.export.request import Note, Position, Request, RequestError, check_range, moment


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2024-10-04", 1_728_000_000_000),
        ("2024-10-04T01:00", 1_728_003_600_000),
        ("2024-10-04T01:00+01:00", 1_728_000_000_000),
        ("2024-10-04T00:00:00.250Z", 1_728_000_000_250),
    ],
)
def test_times(text: str, ms: int) -> None:
    """A day is its beginning, and without a zone it is UTC."""
    assert moment(text, "--since") == ms


@pytest.mark.parametrize("text", ["yesterday", "", "2024-13-01", "1728000000000"])
def test_no_time(text: str) -> None:
    """The line says which option, and how a time is written."""
    with pytest.raises(RequestError, match=r"--since: .* is no time: write 2026-11-25"):
        moment(text, "--since")


def test_reversed_ranges() -> None:
    """Nothing, and less than nothing, are refused with both ends."""
    check_range(1, 2)
    check_range(None, 0)
    for since in (2_000, 3_000):
        with pytest.raises(RequestError, match=r"reversed or empty.*1970-01-01T00:00:0.+ and 1970"):
            check_range(since, 2_000)


texts, numbers = st.text(max_size=5), st.integers(0, 2**53)
requests = st.builds(
    Request,
    archive=texts,
    format=st.sampled_from(["csv", "jsonl", "parquet"]),
    streams=st.lists(texts, max_size=3).map(tuple),
    since=st.none() | numbers,
    until=st.none() | numbers,
)
positions = st.builds(Position, st.none() | texts, st.none() | texts, st.none() | texts, numbers)


@given(requests, positions, numbers, st.booleans())
def test_a_note_is_read_back(request: Request, position: Position, number: int, finished: bool) -> None:
    """As it was written."""
    note = Note(request, number, number, number, number, position, finished)
    assert Note.of_json(json.loads(json.dumps(note.to_json()))) == note


def test_a_note_of_another_version() -> None:
    """Is refused, not guessed at."""
    note = Note(Request("a", "csv"), 1).to_json() | {"version": 2}
    with pytest.raises(RequestError, match="of version 2"):
        Note.of_json(note)


def test_differences_are_named() -> None:
    """Each field that is not the same."""
    one = Request("a", "csv", ("s",), 1, 2)
    assert one.differences(one) == []
    assert one.differences(replace(one, streams=("t",), until=None)) == ["streams", "until"]

"""Chat logs: what a line must be, and how whole-second times are spread."""

import contextlib
import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomments.client.chatlog import LINE_BYTES_MAX, LineError, Message, ordered, parse, read, spread
from livecomments.client.names import name_of
from livecomments.exits import Exit, Failure
from tests.real import ROOT

LOGS = ROOT.parent / "shared" / "data" / "logs"
TIMES = st.lists(st.integers(0, 20_000), max_size=60)


def messages(*times: int) -> list[Message]:
    return [Message(t_ms, f"user-{n}", "Ana", f"text {n}") for n, t_ms in enumerate(times)]


def line(**changes: object) -> bytes:
    return json.dumps({"t_ms": 5, "user": "ana", "text": "hi"} | changes).encode()


def test_line() -> None:
    """A line is a message; an author without a name gets one that is theirs for good."""
    assert parse(line()) == Message(5, "ana", name_of("ana"), "hi")
    assert parse(line(name="Ana 🦊", stream="s", more=1)).name == "Ana 🦊"
    assert parse(line(t_ms=12.9)).t_ms == 12


@pytest.mark.parametrize(
    "bad",
    [b"{", b"[]", b"7", b"\xff\xff", line(user=""), line(user=7), line(user="a" * 129), line(user="a\nb"),
     line(text=None), line(t_ms=-1), line(t_ms=True), line(t_ms="1"), line(name=""), b'{"t_ms": NaN}'],
)  # fmt: skip
def test_bad_line(bad: bytes) -> None:
    """What is no message is said to be none."""
    with pytest.raises(LineError):
        parse(bad)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a message or a LineError."""
    with contextlib.suppress(LineError):
        parse(data)


def test_whole_seconds_are_spread() -> None:
    """Messages of a whole-second log stand evenly within their second; others stay where they are."""
    assert [each.t_ms for each in spread(messages(0, 2000, 2000, 2000, 2000, 3000))] == [
        0, 2000, 2250, 2500, 2750, 3000,
    ]  # fmt: skip
    fine = messages(0, 1000, 1000, 1200)
    assert list(spread(fine)) == fine


@given(TIMES)
def test_spread_keeps_order_and_seconds(times: list[int]) -> None:
    """Spreading loses nothing, changes no order, and moves nothing out of its second."""
    given_ = list(ordered(messages(*times)))
    found = list(spread(given_))
    assert [each.text for each in found] == [each.text for each in given_]
    assert all(a.t_ms <= b.t_ms for a, b in pairwise(found))
    assert all(a.t_ms // 1000 == b.t_ms // 1000 for a, b in zip(given_, found, strict=True))


@given(TIMES)
def test_ordered_never_goes_back(times: list[int]) -> None:
    """Times never go back, and none gets earlier."""
    found = [each.t_ms for each in ordered(messages(*times))]
    assert all(a <= b for a, b in pairwise(found))
    assert all(a >= b for a, b in zip(found, times, strict=True))


@pytest.mark.parametrize("zipped", [False, True])
def test_read(tmp_path: Path, zipped: bool) -> None:
    """A file is read whether it is zipped or not, whatever its name; empty lines are passed over."""
    content = line(t_ms=0) + b"\n\n" + line(t_ms=0, text="ho") + b"\n"
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert [(each.t_ms, each.text) for each in read(path)] == [(0, "hi"), (500, "ho")]


def test_bad_files(tmp_path: Path) -> None:
    """A file that is missing, cut off, or no log is one line with its name, and the line's number."""
    path = tmp_path / "log"
    with pytest.raises(Failure, match="cannot be read: No such file") as caught:
        list(read(path))
    assert caught.value.code == Exit.BAD_FILE
    path.write_bytes(gzip.compress(line() * 1000)[:-20])
    with pytest.raises(Failure, match=r"cannot be read|line 1"):
        list(read(path))
    path.write_bytes(line() + b"\nnonsense\n")
    with pytest.raises(Failure, match=r"line 2: not JSON.*one \{"):
        list(read(path))
    path.write_bytes(b"a" * (LINE_BYTES_MAX + 1))
    with pytest.raises(Failure, match="line 1: longer than 64 KiB"):
        list(read(path))


@pytest.mark.skipif(not LOGS.is_dir(), reason="../shared/data, which has the real logs, is not here")
def test_real_logs() -> None:
    """Every real log is read whole, in order."""
    for path in sorted(LOGS.glob("*.jsonl.gz")):
        found = list(read(path))
        assert len(found) > 4_000
        assert all(a.t_ms <= b.t_ms for a, b in pairwise(found))

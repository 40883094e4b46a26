"""What a load test's viewer reads and writes."""

from hypothesis import given
from hypothesis import strategies as st

from edge.protocol.frames import TEXT, frame
from edge.protocol.json_codec import JsonCodec
from edge.publication import Hole, document
from edge.ring import RingEvent
from livecomments.loadtest import wire
from schemas.records import Command
from tests.edge.fakes import AT, command, comment


@given(st.lists(st.binary(max_size=70_000), max_size=4), st.integers(1, 9_000))
def test_frames_are_found_however_they_are_cut(payloads: list[bytes], size: int) -> None:
    """Bytes in any pieces give the frames that were written."""
    sent = b"".join(frame(TEXT, payload) for payload in payloads)
    buffer, found = bytearray(), []
    for at in range(0, len(sent), size):
        buffer += sent[at : at + size]
        found += [each.payload for each in wire.frames(buffer)]
    assert found == payloads


def test_a_publication_is_read_as_the_edge_writes_it() -> None:
    """Range, comments, when they were submitted, holes."""
    texts = [wire.text_of(123_456, "v", 5), wire.text_of(123_999, "c", 0), "hi"]
    bodies = [RingEvent(comment(8 + n, text=text)).body for n, text in enumerate(texts)]
    data = document(7, 12, bodies, viewers=3, hole=Hole(4, 7, "slow"))
    seen = wire.publication(JsonCodec().push("stream:s", 12, data))
    assert seen == wire.Seen(7, 12, 3, [(123_456, "v"), (123_999, "c")], [AT + 8, AT + 9, AT + 10], "slow")
    assert wire.publication(JsonCodec().unsubscribed("stream:s", 2500, "x")) is None


def test_a_delete_says_when_it_was_asked_for() -> None:
    """Its reason is the mark; it is no comment."""
    event = command(9, "delete", "some comment")
    event["command"] = Command(target="some comment", seconds=None, reason=wire.mark(77, "d"), settings=None)
    data = document(8, 9, [RingEvent(event).body], viewers=3)
    seen = wire.publication(JsonCodec().push("stream:s", 9, data))
    assert seen == wire.Seen(8, 9, 0, [(77, "d")], [AT + 9], None)


@given(st.binary(max_size=2_000))
def test_commands_are_masked_frames(payload: bytes) -> None:
    """A server may not take an unmasked frame; a mask of zeros is one."""
    sent = wire.masked(payload)
    assert sent[1] & 0x80
    assert sent.endswith(payload)

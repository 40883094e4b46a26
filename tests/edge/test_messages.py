"""Fragments to messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from edge.messages import FRAGMENTS_MAX, Assembler, Message, TooManyFragmentsError


def cut(data: bytes, places: list[int], opcode: Opcode) -> list[Frame]:
    """Cut a message into frames at ``places``."""
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    parts = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    last = len(parts) - 1
    return [Frame(opcode if n == 0 else Opcode.CONT, part, fin=n == last) for n, part in enumerate(parts)]


def feed(frames: list[Frame]) -> None:
    """Feed one connection."""
    assembler = Assembler()
    for frame in frames:
        assembler.feed(frame)


@given(st.lists(st.tuples(st.text(max_size=30), st.lists(st.integers(0, 200), max_size=6)), max_size=5))
def test_text_is_put_together_wherever_it_was_cut(messages: list[tuple[str, list[int]]]) -> None:
    """In the middle of a character too; one message after the other."""
    assembler = Assembler()
    for text, places in messages:
        data = text.encode(errors="replace")
        *rest, last = cut(data, places, Opcode.TEXT)
        assert all(assembler.feed(frame) is None for frame in rest)
        assert assembler.feed(last) == Message(text=True, data=data)


@given(st.binary(max_size=50), st.lists(st.integers(0, 200), max_size=6))
def test_binary_may_be_anything(data: bytes, places: list[int]) -> None:
    """Nothing is decoded."""
    assembler = Assembler()
    *rest, last = cut(data, places, Opcode.BINARY)
    assert all(assembler.feed(frame) is None for frame in rest)
    assert assembler.feed(last) == Message(text=False, data=data)


@pytest.mark.parametrize("parts", [[b"\xff"], [b"ok", b"\xc3\x28"], [b"\xc3", b""], [b"\xed\xa0", b"\x80"]])
def test_text_that_is_not_utf8_is_found_at_once(parts: list[bytes]) -> None:
    """At the first fragment that shows it, or at the end where something is missing."""
    last = len(parts) - 1
    frames = [
        Frame(Opcode.CONT if number else Opcode.TEXT, part, fin=number == last)
        for number, part in enumerate(parts)
    ]
    with pytest.raises(UnicodeDecodeError):
        feed(frames)


def test_fragments_are_bounded() -> None:
    """A message of ever more, ever smaller fragments ends."""
    first, more = Frame(Opcode.BINARY, b"", fin=False), Frame(Opcode.CONT, b"x", fin=False)
    feed([first] + [more] * (FRAGMENTS_MAX - 1))
    with pytest.raises(TooManyFragmentsError):
        feed([first] + [more] * FRAGMENTS_MAX)

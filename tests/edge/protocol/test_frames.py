"""Frames as a server sends them."""

import pytest
from websockets.frames import Frame, Opcode

from edge.protocol.frames import BINARY, TEXT, frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
@pytest.mark.parametrize(("first", "opcode"), [(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])
def test_frames_are_those_of_the_library(size: int, first: int, opcode: Opcode) -> None:
    """Byte for byte what `websockets` would send unmasked."""
    payload = bytes(size)
    assert frame(first, payload) == Frame(opcode, payload).serialize(mask=False)

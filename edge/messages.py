"""Frames to messages: fragments are put together, and text is checked as it comes. Pure."""

import codecs
from typing import NamedTuple

from websockets.frames import Frame, Opcode

FRAGMENTS_MAX = 1_024
"""Of one message: small fragments cost more than they carry."""

_Decoder = codecs.getincrementaldecoder("utf-8")


class Message(NamedTuple):
    """A whole message. ``text``: whether it was sent as text, and is UTF-8."""

    text: bool
    data: bytes


class TooManyFragmentsError(ValueError):
    """The client's fault."""


class Assembler:
    """Puts one connection's data frames together. The protocol below has checked their order and size."""

    __slots__ = ("_decoder", "_parts", "_text", "fragments_max")

    def __init__(self) -> None:
        self._parts: list[bytes] | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text = False
        self.fragments_max = FRAGMENTS_MAX

    def feed(self, frame: Frame) -> Message | None:
        """Take a data frame; return the message that it ends.

        Raises:
            UnicodeDecodeError: text that is not UTF-8, at the first fragment that shows it.
            TooManyFragmentsError: more than ``fragments_max``.

        """
        data = bytes(frame.data)
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
            if frame.fin:
                if self._text:
                    data.decode()
                return Message(self._text, data)
            self._parts, self._decoder = [], _Decoder() if self._text else None
        parts = self._parts if self._parts is not None else []
        parts.append(data)
        if self._decoder is not None:
            self._decoder.decode(data, final=frame.fin)
        if not frame.fin:
            if len(parts) > self.fragments_max:
                raise TooManyFragmentsError(f"more than {self.fragments_max} fragments")
            return None
        self._parts = self._decoder = None
        return Message(self._text, b"".join(parts))

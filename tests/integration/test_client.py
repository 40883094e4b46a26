"""The Python client on real servers: what it sends comes back once, over a cut, and from the archive."""

import uuid

import aiohttp
import pytest

import livecomments
from livecomments import Comment, Hole, State
from tests.client.test_connect import cut, read
from tests.integration.people import Authors, token
from tests.real import RealStack

pytestmark = pytest.mark.integration
COUNT = 10
"""Within the burst of one author."""


@pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])
async def test_a_program_that_chats(stack: RealStack, protobuf: bool) -> None:
    """Ten comments by one program, cut in the middle: each once, in order; then read again from the start."""
    name = f"client-{uuid.uuid4().hex[:8]}"
    async with aiohttp.ClientSession() as session:
        await Authors(stack, name, session).create()
    bearer = token(name, "creator", "creator")
    address, api = f"ws://{stack.edge}", f"http://{stack.api}"
    async with (
        livecomments.connect(address, token=bearer, api=api, protobuf=protobuf) as client,
        client.join(name) as stream,
    ):
        first = await anext(stream)
        assert isinstance(first, State)
        assert first.name == "live"
        ids = []
        for number in range(COUNT):
            if number == COUNT // 2:
                await cut(stream)
            ids.append(await stream.send(f"number {number}"))
        items = await read(stream, COUNT)
        assert [each.id for each in items if isinstance(each, Comment)] == ids
        assert not [each for each in items if isinstance(each, Hole)]
        assert [each.name for each in items if isinstance(each, State)] == ["connecting", "resumed"]
    async with livecomments.connect(address, api=api) as guest, guest.join(name, from_start=True) as stream:
        again = await read(stream, COUNT)
        assert [each.id for each in again if isinstance(each, Comment)] == ids
        with pytest.raises(livecomments.CommentRefused):
            await stream.send("a guest may only read")

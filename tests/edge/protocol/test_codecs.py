"""Both encodings against the official SDK's own message classes, and against each other."""

import json
from typing import Any

import pytest
from centrifuge.protocol import client_pb2 as pb
from google.protobuf.json_format import MessageToDict
from hypothesis import example, given
from hypothesis import strategies as st

from edge.protocol import commands as c
from edge.protocol.codec import Codec, MalformedError
from edge.protocol.codes import Error
from edge.protocol.json_codec import COMMANDS_PER_MESSAGE_MAX, JsonCodec
from edge.protocol.protobuf_codec import ProtobufCodec, varint
from tests.edge.reference import payloads

JSON, PROTOBUF = JsonCodec(), ProtobufCodec()
CODECS = pytest.mark.parametrize("codec", [JSON, PROTOBUF], ids=["json", "protobuf"])

ids = st.integers(1, 2**32 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
positions = st.builds(c.Position, texts, st.integers(0, 2**63 - 1))
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
commands = st.one_of(
    st.builds(c.Connect, ids, texts),
    st.builds(c.Refresh, ids, texts),
    st.builds(c.Subscribe, ids, texts, st.none() | positions, st.booleans(), st.just({})),
    st.builds(c.Subscribe, ids, texts, st.none() | positions, st.booleans(), documents),
    st.builds(c.Unsubscribe, ids, texts),
    st.builds(c.Publish, ids, texts, documents),
    st.builds(c.History, ids, texts, st.integers(-(2**31), 2**31 - 1), st.none() | positions, st.booleans()),
    st.builds(c.PresenceStats, ids, texts),
    st.builds(c.Presence, ids, texts),
    st.builds(c.Call, ids, texts, documents),
    st.builds(c.Ping, ids),
    st.just(c.Pong()),
)


def wire(command: c.Command) -> pb.Command:  # noqa: C901, PLR0911, PLR0912 - one a case
    """Say a command as the SDK does."""
    match command:
        case c.Connect(id_, token):
            return pb.Command(id=id_, connect=pb.ConnectRequest(token=token))
        case c.Refresh(id_, token):
            return pb.Command(id=id_, refresh=pb.RefreshRequest(token=token))
        case c.Subscribe(id_, channel, since, strict, data):
            request = pb.SubscribeRequest(channel=channel, flag=2 if strict else 0)
            if data != {}:
                request.data = json.dumps(data).encode()
            if since is not None:
                request.recover, request.epoch, request.offset = True, since.epoch, since.offset
            return pb.Command(id=id_, subscribe=request)
        case c.Unsubscribe(id_, channel):
            return pb.Command(id=id_, unsubscribe=pb.UnsubscribeRequest(channel=channel))
        case c.Publish(id_, channel, data):
            return pb.Command(
                id=id_, publish=pb.PublishRequest(channel=channel, data=json.dumps(data).encode())
            )
        case c.History(id_, channel, limit, since, reverse):
            past = pb.HistoryRequest(channel=channel, limit=limit, reverse=reverse)
            if since is not None:
                past.since.CopyFrom(pb.StreamPosition(offset=since.offset, epoch=since.epoch))
            return pb.Command(id=id_, history=past)
        case c.PresenceStats(id_, channel):
            return pb.Command(id=id_, presence_stats=pb.PresenceStatsRequest(channel=channel))
        case c.Presence(id_, channel):
            return pb.Command(id=id_, presence=pb.PresenceRequest(channel=channel))
        case c.Call(id_, method, data):
            return pb.Command(id=id_, rpc=pb.RPCRequest(method=method, data=json.dumps(data).encode()))
        case c.Ping(id_):
            return pb.Command(id=id_, ping=pb.PingRequest())
        case _:
            return pb.Command()


def as_json(command: pb.Command) -> bytes:
    """Say a command as the JSON SDKs do: the same names, numbers as numbers, data as a document."""
    value = MessageToDict(command, preserving_proto_field_name=True)
    for body in value.values():
        if isinstance(body, dict):
            if isinstance(body.get("since"), dict):
                body["since"].update(_numbers(body["since"]))
            body.update(_numbers(body))
    if command.HasField("publish"):
        value["publish"]["data"] = json.loads(command.publish.data)
    if command.HasField("rpc"):
        value["rpc"]["data"] = json.loads(command.rpc.data)
    if command.HasField("subscribe") and command.subscribe.data:
        value["subscribe"]["data"] = json.loads(command.subscribe.data)
    if command.HasField("ping"):
        value["ping"] = {}
    return json.dumps(value).encode()


def _numbers(body: dict[str, Any]) -> dict[str, int]:
    """Return the fields that are numbers: `MessageToDict` writes those of 64 bits as strings."""
    return {name: int(body[name]) for name in ("offset", "flag") if name in body}


@example([c.History(1, "s", 0, c.Position("0", 0), reverse=False)])
@given(st.lists(commands, min_size=1, max_size=5))
def test_commands_are_the_same_in_both_encodings(sent: list[c.Command]) -> None:
    """What an SDK says is understood, several commands a message too."""
    said = [wire(command) for command in sent]
    framed = b"".join(varint(each.ByteSize()) + each.SerializeToString() for each in said)
    assert PROTOBUF.commands(framed) == sent
    lines = [as_json(each) for each in said]
    found = JSON.commands(b"\n".join(lines))
    for one, other in zip(found, sent, strict=True):
        if isinstance(other, c.Publish) and other.data is None:
            assert isinstance(one, c.Publish)
        else:
            assert one == other


results = st.one_of(
    st.builds(
        c.Connected, texts, st.integers(1, 300), st.none() | st.integers(1, 2**31 - 1),
        st.integers(0, 2**53), texts,
    ),
    st.builds(c.Refreshed, texts, st.none() | st.integers(1, 2**31 - 1)),
    st.builds(c.Counted, st.integers(0, 2**31), st.integers(0, 2**31)),
    st.builds(c.Failed, st.integers(1, 2**31), texts.filter(bool), st.booleans()),
    st.builds(c.Called, documents.map(lambda value: json.dumps(value).encode())),
    st.sampled_from([c.Unsubscribed(), c.Published(), c.Ponged()]),
)  # fmt: skip


def replies(frame: bytes) -> list[pb.Reply]:
    """Read a frame as the Protobuf SDKs do."""
    [payload] = payloads(frame)
    found, at = [], 0
    while at < len(payload):
        size = shift = 0
        while True:
            byte = payload[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append(pb.Reply.FromString(payload[at : at + size]))
        at += size
    return found


def plain(reply: Any) -> Any:
    """Return a reply without what is zero in Protobuf and absent or zero in JSON."""
    value = reply if isinstance(reply, dict) else MessageToDict(reply, preserving_proto_field_name=True)

    def trim(each: Any) -> Any:
        if isinstance(each, dict):
            return {name: trim(inner) for name, inner in each.items() if inner not in (0, "", False, [], "0")}
        if isinstance(each, list):
            return [trim(inner) for inner in each]
        return int(each) if isinstance(each, str) and each.isdecimal() else each

    return trim(value)


@given(ids, results)
def test_plain_replies_are_the_same_in_both_encodings(id_: int, result: c.Result) -> None:
    """An SDK reads the same from either."""
    [reply] = replies(PROTOBUF.frame(PROTOBUF.reply(id_, result)))
    [payload] = payloads(JSON.frame(JSON.reply(id_, result)))
    value = json.loads(payload)
    if isinstance(result, c.Connected):
        assert json.loads(reply.connect.data) == value["connect"].pop("data")
        reply.connect.data = b""
    if isinstance(result, c.Called):
        assert json.loads(reply.rpc.data) == value["rpc"].pop("data")
        reply.rpc.data = b""
    assert plain(reply) == plain(value)


@given(ids, positions, st.booleans(), st.booleans(), st.lists(st.integers(1, 2**53), max_size=4))
def test_shared_publications_are_read_as_if_encoded_in_place(
    id_: int, position: c.Position, recovering: bool, recovered: bool, offsets: list[int]
) -> None:
    """Bytes made once and joined into a reply are what an SDK expects there."""
    for codec in (JSON, PROTOBUF):
        publications = tuple(codec.publication(offset, b'{"to":%d}' % offset) for offset in offsets)
        for result in (
            c.Subscribed(position, recovering, recovered, publications, b'{"speed":2}'),
            c.Remembered(position, publications),
        ):
            frame = codec.frame(codec.reply(id_, result), codec.push("stream:s", 7, b"{}"))
            if codec is PROTOBUF:
                reply, push = replies(frame)
                body: Any = reply.subscribe if isinstance(result, c.Subscribed) else reply.history
                assert [(each.offset, json.loads(each.data)) for each in body.publications] == [
                    (offset, {"to": offset}) for offset in offsets
                ]
                assert (reply.id, body.epoch, body.offset) == (id_, position.epoch, position.offset)
                assert not isinstance(result, c.Subscribed) or json.loads(body.data) == {"speed": 2}
                assert (push.push.channel, push.push.pub.offset) == ("stream:s", 7)
            else:
                [payload] = payloads(frame)
                first, second = (json.loads(line) for line in payload.split(b"\n"))
                body = first["subscribe" if isinstance(result, c.Subscribed) else "history"]
                assert [(each["offset"], each["data"]) for each in body["publications"]] == [
                    (offset, {"to": offset}) for offset in offsets
                ]
                assert (first["id"], body["epoch"], body["offset"]) == (id_, position.epoch, position.offset)
                assert body.get("data") == ({"speed": 2} if isinstance(result, c.Subscribed) else None)
                assert second["push"] == {"channel": "stream:s", "pub": {"offset": 7, "data": {}}}
                assert body.get("recovered", False) is (
                    recovered and recovering if isinstance(result, c.Subscribed) else False
                )


@CODECS
def test_the_end_of_a_subscription_is_a_push(codec: Codec) -> None:
    """With its code and reason, in the channel's name."""
    frame = codec.frame(codec.unsubscribed("stream:s", 2500, "why"))
    if codec is PROTOBUF:
        push = replies(frame)[0].push
        assert (push.channel, push.unsubscribe.code, push.unsubscribe.reason) == ("stream:s", 2500, "why")
    else:
        [payload] = payloads(frame)
        value = {"channel": "stream:s", "unsubscribe": {"code": 2500, "reason": "why"}}
        assert json.loads(payload) == {"push": value}


@CODECS
@given(message=st.binary(max_size=200))
def test_any_bytes_are_commands_or_malformed(codec: Codec, message: bytes) -> None:
    """Nothing but `MalformedError` comes out of what a client may send."""
    try:
        found = codec.commands(message)
    except MalformedError:
        return
    assert 1 <= len(found) <= COMMANDS_PER_MESSAGE_MAX


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\n", b" \n ", b"[]", b"1", b"null", b'"x"', b"{", b'{"id":}', b'{"id":-1,"ping":{}}',
        b'{"id":4294967296,"ping":{}}', b'{"id":1.5,"ping":{}}', b'{"id":true,"ping":{}}',
        b'{"id":"1","ping":{}}',
        b'{"id":1,"subscribe":[]}', b'{"id":1,"subscribe":{"channel":1}}', b'{"id":1,"connect":{"token":{}}}',
        b'{"id":1,"subscribe":{"channel":"c","recover":true,"offset":"5"}}',
        b'{"id":1,"subscribe":{"channel":"c","recover":true,"epoch":5}}',
        b'{"id":1,"history":{"channel":"c","since":[]}}', b'{"id":1,"history":{"channel":"c","limit":1e3}}',
        b"\xff\xfe", b'{"id":1,"publish":{"channel":"\xc3"}}', b"[" * 100_000, b'{"a":' * 50_000,
        b'{"id":' + b"9" * 5_000 + b"}", b"{}\n" * 65, b'{"id":NaN,"ping":{}}',
    ],
)  # fmt: skip
def test_malformed_json(message: bytes) -> None:
    """Not JSON, not an object, fields of other kinds, numbers beyond their range, too deep, too many."""
    with pytest.raises(MalformedError):
        JSON.commands(message)


BROKEN_TEXT = b"\x08" + pb.Command(subscribe=pb.SubscribeRequest(channel="abcd")).SerializeToString().replace(
    b"abcd", b"ab\xff\xfe"
)
"""A channel that is not UTF-8."""


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\x05", b"\x80", b"\x80\x80\x80\x80\x80\x01", b"\xff\xff\xff\xff\x7f", b"\x02\x08",
        b"\x00" * 65, b"\x01\x0b", BROKEN_TEXT,
    ],
)  # fmt: skip
def test_malformed_protobuf(message: bytes) -> None:
    """Cut short, a length that lies, bytes that are no message, too many."""
    with pytest.raises(MalformedError):
        PROTOBUF.commands(message)


def test_what_is_not_served_is_named() -> None:
    """Commands of the protocol that this server does not have are told from broken ones."""
    assert JSON.commands(b'{"id":1,"sub_refresh":{"channel":"c"}}') == [c.Unknown(1, "sub_refresh")]
    assert JSON.commands(b'{"send":{"data":1}}') == [c.Unknown(0, "send")]
    other = pb.Command(id=1, sub_refresh=pb.SubRefreshRequest(channel="c"))
    framed = varint(other.ByteSize()) + other.SerializeToString()
    assert PROTOBUF.commands(framed) == [c.Unknown(1, "sub_refresh")]


def test_a_payload_that_is_no_json_is_no_comment() -> None:
    """In Protobuf the data are any bytes; what is no document is refused later, as a comment."""
    command = pb.Command(id=1, publish=pb.PublishRequest(channel="c", data=b"\xff"))
    assert PROTOBUF.commands(varint(command.ByteSize()) + command.SerializeToString()) == [
        c.Publish(1, "c", None)
    ]


def test_lone_surrogates_do_not_break_a_reply() -> None:
    """JSON can name what UTF-8 cannot hold; a reply that echoes it is UTF-8 all the same."""
    failed = c.Failed(1, "\ud800")
    JSON.reply(1, failed).decode()


def test_errors_say_whether_to_retry() -> None:
    """Temporary are those that the same command may get over."""
    assert c.Failed.of(Error.INTERNAL).temporary
    assert c.Failed.of(Error.TOO_MANY_REQUESTS).temporary
    assert not c.Failed.of(Error.PERMISSION_DENIED).temporary
    assert c.Failed.of(Error.PERMISSION_DENIED, "why").message == "permission denied: why"

"""The gateway against fakes of Kafka and Redis: durability of answers, bounds, refusals."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.auth import Viewer
from edge.checks import Ban, Facts, Spent
from edge.errors import Forbidden
from edge.gateway import Gateway
from edge.submit import SubmitError
from schemas.codec import codec
from schemas.refusals import Code, Refusal
from schemas.routing import partition_of
from schemas.settings import Limits, Settings

AUTHOR = Viewer("u", "Ünal", "viewer", "s")


class FakeFacts:
    """Redis in two lines: what it knows, and what it was asked."""

    def __init__(self, facts: Facts | None = None) -> None:
        self.known = facts
        self.asked: list[tuple[str, str, str | None, bool]] = []
        self.forgotten: list[str] = []

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def facts(
        self, stream_id: str, user_id: str, *, comment_id: str | None = None, slow: bool = True
    ) -> Facts | None:
        self.asked.append((stream_id, user_id, comment_id, slow))
        return self.known

    async def forget(self, stream_id: str, user_id: str, comment_id: str) -> None:
        self.forgotten.append(comment_id)


class FakeKafka:
    """Keeps what is sent; answers when told to, or at once."""

    def __init__(self, *, held: bool = False) -> None:
        self.ready = True
        self.records: list[tuple[int, dict[str, Any]]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.posts: list[tuple[str, int, bytes, dict[str, Any]]] = []
        self._held = held

    async def start(self) -> None: ...

    async def stop(self) -> None:
        for answer in self.answers:
            if not answer.done():
                answer.set_exception(SubmitError("stopped"))

    async def post(self, topic: Any, partition: int, key: bytes, value: bytes) -> None:
        self.posts.append((topic.name, partition, key, codec(topic.record).decode(value)))

    async def send(self, partition: int, value: bytes) -> None:
        self.records.append((partition, codec("submitted").decode(value)))
        if self._held:
            self.answers.append(asyncio.get_running_loop().create_future())
            await self.answers[-1]


@asynccontextmanager
async def gateway_on(
    kafka: FakeKafka, facts: FakeFacts | None = None, **limits: Any
) -> AsyncIterator[Gateway]:
    settings = Settings(limits=Limits(**limits))
    gateway = Gateway(settings, boot="boot", facts=facts or FakeFacts(), submitter=kafka)  # type: ignore[arg-type]
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_comment_is_in_the_log_as_it_was_sent() -> None:
    """One record on the stream's partition, with the author from the token and the text in NFC."""
    kafka = FakeKafka()
    async with gateway_on(kafka) as gateway:
        id_ = str(uuid.uuid4())
        accepted = await gateway.comment(AUTHOR, "s", id=id_.upper(), text=" u\u0308ber ")
    assert accepted.id == id_
    [(partition, record)] = kafka.records
    assert partition == partition_of("s", Settings().kafka.partitions)
    assert record["gateway"] == "boot"
    [item] = record["items"]
    assert (item["id"], item["user_id"], item["user_name"], item["text"]) == (id_, "u", "Ünal", "über")
    assert (item["type"], item["role"], item["command"]) == ("comment", "viewer", None)


async def test_answer_waits_for_kafka_and_the_rest_is_packed() -> None:
    """Nobody is answered before the record is acknowledged; what arrives meanwhile is one record."""
    kafka = FakeKafka(held=True)
    async with gateway_on(kafka) as gateway:
        tasks = [asyncio.create_task(gateway.comment(AUTHOR, "s", id=None, text=str(n))) for n in range(10)]
        await until(lambda: gateway.waiting == 10)
        assert not any(task.done() for task in tasks)
        assert len(kafka.records) == 1
        kafka.answers[0].set_result(None)
        await until(lambda: len(kafka.records) == 2)
        kafka.answers[1].set_result(None)
        await asyncio.gather(*tasks)
    assert [item["text"] for _, record in kafka.records for item in record["items"]] == list("0123456789")


async def test_unconfirmed_is_unknown_never_failed() -> None:
    """A produce that fails is answered «unknown», and the next one goes on."""
    kafka = FakeKafka(held=True)
    async with gateway_on(kafka) as gateway:
        task = asyncio.create_task(gateway.comment(AUTHOR, "s", id=None, text="a"))
        await until(lambda: len(kafka.answers) == 1)
        kafka.answers[0].set_exception(SubmitError("gone"))
        with pytest.raises(Refusal) as caught:
            await task
        assert caught.value.code is Code.UNKNOWN
        assert caught.value.temporary
        task = asyncio.create_task(gateway.comment(AUTHOR, "s", id=None, text="b"))
        await until(lambda: len(kafka.answers) == 2)
        kafka.answers[1].set_result(None)
        await task


@pytest.mark.parametrize("ready", [True, False])
async def test_silent_kafka_is_answered_in_time(*, ready: bool) -> None:
    """Kafka away before or after the record left: «unknown» within the limit, and nothing is kept."""
    kafka = FakeKafka(held=True)
    kafka.ready = ready
    async with gateway_on(kafka, produce_timeout_ms=200) as gateway:
        started = asyncio.get_running_loop().time()
        tasks = [gateway.comment(AUTHOR, "s", id=None, text=str(n)) for n in range(3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, Refusal) and result.code is Code.UNKNOWN for result in results)
        assert asyncio.get_running_loop().time() - started < 2
        assert gateway.waiting == 0


async def test_gateway_is_bounded() -> None:
    """Beyond the limit a comment is refused at once, as temporary."""
    kafka = FakeKafka(held=True)
    async with gateway_on(kafka, gateway_items_max=100) as gateway:
        tasks = [asyncio.create_task(gateway.comment(AUTHOR, "s", id=None, text="x")) for _ in range(100)]
        await until(lambda: gateway.waiting == 100)
        with pytest.raises(Refusal) as caught:
            await gateway.comment(AUTHOR, "s", id=None, text="one more")
        assert caught.value.temporary
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_waits_is_answered_when_it_stops() -> None:
    """Stopping leaves no author without an answer."""
    kafka = FakeKafka()
    kafka.ready = False
    async with gateway_on(kafka) as gateway:
        task = asyncio.create_task(gateway.comment(AUTHOR, "s", id=None, text="x"))
        await until(lambda: gateway.waiting == 1)
    with pytest.raises(Refusal):
        await task


async def test_pump_sends_what_waited_for_the_connection() -> None:
    """Comments that came before Kafka did leave when it is there."""
    kafka = FakeKafka()
    kafka.ready = False
    async with gateway_on(kafka) as gateway:
        task = asyncio.create_task(gateway.comment(AUTHOR, "s", id=None, text="x"))
        await until(lambda: gateway.waiting == 1)
        kafka.ready = True
        gateway.pump()
        await task


async def test_refused_before_kafka() -> None:
    """Banned, not a UUID, no right to write, another stream: nothing reaches the log."""
    kafka = FakeKafka()
    async with gateway_on(kafka, FakeFacts(Facts(ban=Ban("ban")))) as gateway:
        for viewer, id_, code in (
            (AUTHOR, None, Code.BANNED),
            (AUTHOR, "nonsense", Code.INVALID),
            (Viewer("g", "guest", "guest"), None, Code.READ_ONLY),
        ):
            with pytest.raises(Refusal) as caught:
                await gateway.comment(viewer, "s", id=id_, text="x")
            assert caught.value.code is code
        with pytest.raises(Forbidden):
            await gateway.comment(AUTHOR, "another", id=None, text="x")
        with pytest.raises(Refusal):
            await gateway.comment(Viewer("u", "U", "viewer"), "no/stream", id=None, text="x")
    assert kafka.records == []


async def test_a_retry_of_what_went_on_goes_on() -> None:
    """Banned meanwhile, too fast meanwhile: only the log knows what became of it, and is asked again."""
    kafka = FakeKafka()
    facts = FakeFacts(Facts(ban=Ban("ban"), state="ended", spent=Spent(retry=True)))
    async with gateway_on(kafka, facts) as gateway:
        await gateway.comment(AUTHOR, "s", id=str(uuid.uuid4()), text="x")
    assert len(kafka.records) == 1
    assert facts.forgotten == []


@pytest.mark.parametrize(
    ("known", "forgotten"),
    [(Facts(everywhere=Ban("ban")), True), (Facts(spent=Spent(Code.RATE_LIMITED, 1.0)), False)],
)
async def test_what_was_refused_is_no_retry_the_next_time(known: Facts, forgotten: bool) -> None:
    """The bucket forgets an id that did not go on for a reason that it does not know."""
    kafka, facts, id_ = FakeKafka(), FakeFacts(known), str(uuid.uuid4())
    async with gateway_on(kafka, facts) as gateway:
        with pytest.raises(Refusal):
            await gateway.comment(AUTHOR, "s", id=id_, text="x")
    assert facts.forgotten == ([id_] if forgotten else [])
    assert kafka.records == []


async def test_command_travels_with_its_arguments() -> None:
    """Target, seconds, reason and settings as JSON; the role that holds on this stream."""
    kafka, facts = FakeKafka(), FakeFacts(Facts(moderators=frozenset("m")))
    async with gateway_on(kafka, facts) as gateway:
        await gateway.command(
            Viewer("p", "P", "platform"), "s", "open", settings={"creator": "c", "title": "ü"}
        )
        await gateway.command(
            Viewer("m", "M", "moderator", None), "s", "ban", target="x", seconds=60, reason="spam"
        )
        with pytest.raises(Refusal) as caught:
            await gateway.command(AUTHOR, "s", "end")
        assert caught.value.code is Code.NOT_MODERATOR
    opened, banned = (item for _, record in kafka.records for item in record["items"])
    assert opened["command"]["settings"] == '{"creator": "c", "title": "ü"}'
    assert opened["role"] == "platform"
    assert banned["command"] == {"target": "x", "seconds": 60, "reason": "spam"} | dict.fromkeys(
        ("settings", "comment")
    )
    assert banned["role"] == "viewer"


async def test_oversized_settings_are_refused() -> None:
    """What no record can hold is invalid, not a mystery."""
    async with gateway_on(FakeKafka()) as gateway:
        with pytest.raises(Refusal) as caught:
            await gateway.command(
                Viewer("p", "P", "platform"), "s", "settings", settings={"words": ["ü" * 90] * 2_000}
            )
    assert caught.value.code is Code.INVALID

"""The one door into ``comments.submitted``, for the WebSocket edge and the HTTP API alike.

A comment is cleaned, held against what Redis knows of its author, packed with others of its
partition, and acknowledged when Kafka has it durably. What Kafka did not confirm in time is answered
«unknown, retry with the same id», never «failed»: it may be in the log.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
import uuid_utils
from redis.asyncio import Redis

from edge.audit import AuditTrail
from edge.auth import Viewer
from edge.checks import (
    Facts,
    clean_id,
    clean_sticker,
    clean_text,
    fault_of_command,
    refusal_of_command,
    refusal_of_comment,
)
from edge.errors import Forbidden
from edge.facts import FactStore
from edge.packer import BATCH_BYTES_MAX, RECORD_BYTES_OVERHEAD, Packer, Waiting, bytes_of
from edge.policy import PolicyDesk
from edge.revocation import RevocationWatch, Revoked
from edge.submit import LATE_SECONDS_MAX, SubmitError, Submitter
from edge.tasks import end
from schemas import streamsettings
from schemas.codec import codec
from schemas.items import STREAM_ID_WORDS, is_stream_id
from schemas.records import Command, Item, Quoted
from schemas.redisclient import redis_client
from schemas.refusals import Code, Refusal
from schemas.routing import partition_of
from schemas.settings import Limits, Settings
from schemas.spans import Spans
from schemas.topics import DAY_MS

EXPIRY_TICK_SECONDS = 0.05
STOP_SECONDS = 2.0

log = structlog.get_logger()
Waiter = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Accepted:
    """It is durable. ``id``: of the comment or command."""

    id: str


class Gateway:
    """See the module. ``boot``: who packed a record, for people who read the log.

    ``facts`` and ``submitter`` are what it talks to; tests give others. ``now``: seconds since 1970.
    ``revoked`` is kept up to date from Redis, for this process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        boot: str,
        facts: FactStore | None = None,
        submitter: Submitter | None = None,
        audit: AuditTrail | None = None,
        now: Callable[[], float] = time.time,
        spans: Spans | None = None,
    ) -> None:
        self._settings = settings
        self._spans = spans
        self._boot = boot
        self._now = now
        self._codec = codec("submitted")
        self._packer: Packer[Waiter] = Packer(settings.limits.gateway_items_max)
        self.revoked = Revoked()
        self._redis: Redis | None = None
        if facts is None:
            self._redis, facts = _facts_of(settings)
        self._facts = facts
        self._submitter = submitter if submitter is not None else Submitter(settings, self.pump)
        self._audit = audit or AuditTrail(self._submitter, settings.kafka.partitions, now)
        limits = settings.limits
        self.policy = PolicyDesk(
            self._submitter, self._audit, settings.kafka.partitions, limits.produce_timeout_ms
        )
        """For commands to the whole platform."""
        self._sending: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether the producer is warmed up."""
        return self._submitter.ready

    @property
    def waiting(self) -> int:
        """Comments and commands whose authors wait for Kafka."""
        return self._packer.waiting

    async def start(self) -> None:
        """Begin; does not wait for Kafka or Redis."""
        await self._facts.start()
        await self._submitter.start()
        self._tasks = [asyncio.create_task(self._expire(), name="gateway-expiry")]
        if self._redis is not None:
            kept_ms = self._settings.auth.revocation_days * DAY_MS
            watch = RevocationWatch(self._redis, self.revoked, kept_ms)
            self._tasks.append(asyncio.create_task(watch.run(), name="revocations"))

    async def stop(self) -> None:
        """Let what waits be sent, for a little; answer the rest «unknown»; close."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=STOP_SECONDS)
        await end(self._tasks)
        await self._submitter.stop()
        await self._facts.stop()
        if self._sending:
            await asyncio.wait(self._sending, timeout=STOP_SECONDS)
        _unknown(self._packer.expire(float("inf")))
        if self._redis is not None:
            await self._redis.aclose()

    async def comment(
        self,
        viewer: Viewer,
        stream_id: str,
        *,
        id: str | None,  # noqa: A002
        text: str,
        sticker: str | None = None,
    ) -> Accepted:
        """Submit a comment; returns when it is durable. ``id``: a UUID, the same again in a retry.

        Raises:
            Refusal: with the reason; UNKNOWN when Kafka did not answer in time.
            Forbidden: the token is not for this stream, or was revoked.

        """
        deadline = self._deadline()
        limits, now_ms = self._settings.limits, int(self._now() * 1000)
        self._check(viewer, stream_id)
        if not viewer.may_write(stream_id):
            raise Refusal(Code.READ_ONLY)
        sticker = clean_sticker(sticker)
        text = clean_text(text, limits.text_chars_max, may_be_empty=sticker is not None)
        id_ = clean_id(id, _fresh_id, now_ms, _fresh_seconds(limits))
        if viewer.role != "platform":
            slow = not viewer.may_moderate(stream_id)
            facts = await self._facts.facts(stream_id, viewer.user_id, comment_id=id_, slow=slow)
            if facts is not None and (refusal := refusal_of_comment(facts, viewer.user_id, now_ms, text)):
                if facts.spent.code is None:
                    await self._facts.forget(stream_id, viewer.user_id, id_)
                raise refusal
        item = _item("comment", viewer, stream_id, id_, text=text, sticker=sticker)
        accepted = await self._submit(item, deadline)
        if self._spans is not None and self._spans.wants(id_):
            self._spans.hop("gateway", id_, now_ms, self._now() * 1000, {"gateway": self._boot}, root=True)
        return accepted

    async def command(
        self,
        viewer: Viewer,
        stream_id: str,
        type: str,  # noqa: A002
        *,
        id: str | None = None,  # noqa: A002
        target: str | None = None,
        seconds: int | None = None,
        reason: str | None = None,
        settings: Mapping[str, Any] | None = None,
        comment: Quoted | None = None,
    ) -> Accepted:
        """Submit a command of a moderator; returns when it is durable. Raises as `comment` does.

        What is refused is in the audit. ``comment``: what a pin shows, or a hold takes down.
        """
        deadline = self._deadline()
        arguments = {"target": target, "seconds": seconds, "reason": reason, "settings": settings}
        arguments["comment"] = comment
        try:
            id_ = await self._check_command(viewer, stream_id, type, id, arguments)
        except Refusal as refusal:
            told = f"{refusal.code.key}: {refusal.detail}" if refusal.detail else refusal.code.key
            self._audit.refused(viewer, stream_id, type, arguments, told)
            raise
        except Forbidden as error:
            self._audit.refused(viewer, stream_id, type, arguments, str(error))
            raise
        text = None if settings is None else json.dumps(settings, ensure_ascii=False)
        command = Command(target=target, seconds=seconds, reason=reason, settings=text, comment=comment)
        return await self._submit(_item(type, viewer, stream_id, id_, command=command), deadline)

    async def _check_command(
        self, viewer: Viewer, stream_id: str, type_: str, given_id: str | None, arguments: dict[str, Any]
    ) -> str:
        """Return the command's id. Raises Refusal, Forbidden."""
        self._check(viewer, stream_id)
        if fault := fault_of_command(type_, arguments["target"], arguments["seconds"], arguments["reason"]):
            raise Refusal(Code.INVALID, fault)
        settings = arguments["settings"]
        if type_ == "settings" and (fault := streamsettings.fault_of(settings or {})):
            raise Refusal(Code.INVALID, fault)
        fresh_seconds = _fresh_seconds(self._settings.limits)
        id_ = clean_id(given_id, _fresh_id, int(self._now() * 1000), fresh_seconds)
        facts: Facts | None = None
        if viewer.may_write(stream_id):
            facts = await self._facts.facts(stream_id, viewer.user_id)
        if refusal := refusal_of_command(facts, viewer, stream_id, type_, arguments):
            raise refusal
        return id_

    def pump(self) -> None:
        """Send what waits on idle partitions."""
        for partition in list(self._packer.idle()):
            self._send_next(partition)

    def _check(self, viewer: Viewer, stream_id: str) -> None:
        if not is_stream_id(stream_id):
            raise Refusal(Code.INVALID, f"a stream id is {STREAM_ID_WORDS}")
        if not viewer.may_read(stream_id):
            raise Forbidden(f"the token is for another stream than {stream_id}")
        if self.revoked.refuses(viewer):
            raise Forbidden("the token was revoked")

    async def _submit(self, item: Item, deadline: float) -> Accepted:
        waiter: Waiter = asyncio.get_running_loop().create_future()
        partition = partition_of(item["stream_id"], self._settings.kafka.partitions)
        waiting = Waiting(item, bytes_of(item), deadline, waiter)
        if waiting.bytes > BATCH_BYTES_MAX - RECORD_BYTES_OVERHEAD:
            raise Refusal(Code.INVALID, f"larger than {BATCH_BYTES_MAX // 1024} KiB")
        if not self._packer.offer(partition, waiting):
            raise Refusal(Code.UNKNOWN, "too many comments are waiting")
        self._send_next(partition)
        await waiter
        return Accepted(item["id"])

    def _send_next(self, partition: int) -> None:
        if not self._submitter.ready:
            return
        if batch := self._packer.take(partition):
            task = asyncio.create_task(self._send(partition, [each.item for each in batch]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, partition: int, items: list[Item]) -> None:
        try:
            await self._submitter.send(partition, self._codec.encode({"gateway": self._boot, "items": items}))
        except SubmitError as error:
            log.warning("produce not confirmed", partition=partition, items=len(items), error=str(error))
            _unknown(self._packer.settle(partition))
        except BaseException:
            _unknown(self._packer.settle(partition))
            raise
        else:
            for each in self._packer.settle(partition):
                if not each.waiter.done():
                    each.waiter.set_result(None)
        self._send_next(partition)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_TICK_SECONDS)
            _unknown(self._packer.expire(asyncio.get_running_loop().time()))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.limits.produce_timeout_ms / 1000


def _facts_of(settings: Settings) -> tuple[Redis, FactStore]:
    timeout_ms = settings.redis.timeout_ms
    # What is asked counts towards the author's whole wait, so it gets half of it at most.
    timeout_ms = min(timeout_ms, settings.limits.produce_timeout_ms // 2)
    redis = redis_client(settings.redis, timeout_ms=timeout_ms, decode_responses=True)
    limits = settings.limits
    store = FactStore(
        redis,
        rate_per_second=limits.comments_per_second,
        timeout_ms=timeout_ms,
        window_seconds=limits.duplicate_window_seconds,
    )
    return redis, store


def _item(
    type_: str,
    viewer: Viewer,
    stream_id: str,
    id_: str,
    *,
    text: str = "",
    sticker: str | None = None,
    command: Command | None = None,
) -> Item:
    return Item(
        type=type_,
        stream_id=stream_id,
        id=id_,
        user_id=viewer.user_id,
        user_name=viewer.name,
        role=viewer.role_on(stream_id),
        text=text,
        sticker=sticker,
        command=command,
    )


def _fresh_seconds(limits: Limits) -> int:
    """Return how old an id may be: it must land within the duplicate window, late as it may be."""
    return max(1, limits.duplicate_window_seconds - LATE_SECONDS_MAX)


def _fresh_id() -> str:
    return str(uuid_utils.uuid7())


def _unknown(late: Sequence[Waiting[Waiter]]) -> None:
    for each in late:
        if not each.waiter.done():
            each.waiter.set_exception(Refusal(Code.UNKNOWN))

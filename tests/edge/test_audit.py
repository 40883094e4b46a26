"""What the gateway writes to the audit, and commands to the whole platform."""

import asyncio
from typing import Any

import pytest

from edge.audit import REFUSALS_PER_SECOND_MAX, AuditTrail
from edge.auth import Viewer
from edge.policy import PolicyDesk
from edge.submit import SubmitError
from schemas.codec import codec
from schemas.policies import EVERYWHERE
from schemas.refusals import Code, Refusal
from schemas.topics import AUDIT, POLICY, Topic

ROOT = Viewer("root", "Root", "platform")
EVE = Viewer("eve", "Eve", "viewer", "s")
PARTITIONS = 4


class Kafka:
    """Keeps what is posted; ``broken``: raises on this topic."""

    def __init__(self, broken: Topic | None = None) -> None:
        self.posts: list[tuple[str, int, bytes, Any]] = []
        self.broken = broken

    async def post(self, topic: Topic, partition: int, key: bytes, value: bytes) -> None:
        await asyncio.sleep(0)
        if topic == self.broken:
            raise SubmitError("away")
        self.posts.append((topic.name, partition, key, codec(topic.record).decode(value)))


def made(kafka: Kafka, now: float = 1_000.0) -> tuple[AuditTrail, PolicyDesk]:
    trail = AuditTrail(kafka, PARTITIONS, lambda: now)
    return trail, PolicyDesk(kafka, trail, PARTITIONS, 1_000)


async def settled(trail: AuditTrail) -> None:
    await asyncio.gather(*trail._tasks)


async def test_a_refused_command_is_written_behind_the_askers_back() -> None:
    """Who, what, on what, and why not; long or broken texts are cut and mended."""
    kafka = Kafka()
    trail, _ = made(kafka)
    trail.refused(EVE, "s", "ban", {"target": "x" * 900, "reason": "\ud800"}, "not_moderator")
    assert kafka.posts == []
    await settled(trail)
    [(topic, _, key, record)] = kafka.posts
    assert (topic, key, record["outcome"], record["refusal"]) == (
        AUDIT.name,
        b"s",
        "refused",
        "not_moderator",
    )
    assert (record["actor_id"], record["action"], record["at"]) == ("eve", "ban", 1_000_000)
    assert (len(record["command"]["target"]), record["command"]["reason"]) == (500, "?")


async def test_a_flood_of_refusals_does_not_fill_the_audit() -> None:
    """So many a second; the rest is counted."""
    kafka = Kafka()
    trail, _ = made(kafka)
    for _ in range(REFUSALS_PER_SECOND_MAX + 7):
        trail.refused(EVE, "s", "ban", {}, "not_moderator")
    await settled(trail)
    assert (len(kafka.posts), trail.dropped) == (REFUSALS_PER_SECOND_MAX, 7)


async def test_a_platform_command_is_in_every_partition_and_audited() -> None:
    """Acknowledged when all are durable; one key, so that the topic keeps what holds."""
    kafka = Kafka()
    trail, desk = made(kafka)
    await desk.ban(ROOT, "id-1", "bob", 60, "spam")
    written = [post for post in kafka.posts if post[0] == POLICY.name]
    assert sorted(partition for _, partition, _, _ in written) == list(range(PARTITIONS))
    assert {key for _, _, key, _ in written} == {b"ban/bob"}
    [item] = written[0][3]["items"]
    assert (item["type"], item["command"]["target"], item["command"]["seconds"]) == ("ban", "bob", 60)
    [(_, _, _, record)] = [post for post in kafka.posts if post[0] == AUDIT.name]
    assert (record["stream_id"], record["outcome"], record["id"]) == (EVERYWHERE, "applied", "id-1")
    await settled(trail)


async def test_only_the_platform_commands_the_platform() -> None:
    """Anybody else is refused, and audited."""
    kafka = Kafka()
    trail, desk = made(kafka)
    with pytest.raises(Refusal) as caught:
        await desk.unban(EVE, "id", "bob")
    assert caught.value.code is Code.NOT_MODERATOR
    await settled(trail)
    assert [(topic, record["outcome"]) for topic, _, _, record in kafka.posts] == [(AUDIT.name, "refused")]


@pytest.mark.parametrize("broken", [POLICY, AUDIT])
async def test_what_is_not_durable_everywhere_is_not_known(broken: Topic) -> None:
    """The same command may be given again."""
    _, desk = made(Kafka(broken))
    with pytest.raises(Refusal) as caught:
        await desk.words(ROOT, "id", "en", ["heck"])
    assert caught.value.code is Code.UNKNOWN

"""The feed from Redis Pub/Sub: a subscription a stream, and the window behind it.

Pub/Sub delivers at most once, so nothing is taken on trust. A segment that begins beyond what was told shows
a loss; before silence, ``head:{stream}``, compared each second, does. Either is healed from the window, which
is written before anything is published. When Redis itself cannot be asked, all is stale, and said to be.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from edge.feed.base import Place, Sink
from edge.feed.channels import Channels, Ears
from edge.feed.cursor import STALE_SECONDS
from edge.feed.track import Record, Track, Verdict
from edge.feed.waiting import Waiters
from edge.stats import Stats
from edge.tasks import end
from schemas import stores
from schemas.codec import UndecodableError, codec
from schemas.continuity import Fence
from schemas.redisclient import redis_client
from schemas.routing import partition_of
from schemas.settings import Redis as Settings

HEADS_SECONDS = 1.0
HEADS_PER_ASK = 1_000
ASK_SECONDS = 1.0
WATCH_SECONDS = 0.2
HEALERS = 16
"""Streams that are healed at once."""
HEAL_SEGMENTS_MAX = 500
"""Read for one stream; what is before them is announced as lost, and is in the archive."""
HEAL_SECONDS = 3.0
RETRY_SECONDS = 0.2

log = structlog.get_logger()
_AWAY = (RedisError, OSError, TimeoutError)


def client_of(redis: Settings) -> Redis:
    """Return a client that retries nothing by itself: every loss has to show."""
    return redis_client(redis, retry=Retry(NoBackoff(), 0), client_name="livecomments-feed")


class RedisFeed:
    """`edge.feed.base.Feed` on Redis; places are stream ids. ``client``: as `client_of` makes it; owned."""

    def __init__(self, client: Redis, partitions: int, stats: Stats) -> None:
        self._client = client
        self._partitions = partitions
        self._stats = stats
        self._codec = codec("fanout")
        self._channels = Channels(self._client, Ears(self._joined, self._heard, self._cut))
        self._tracks: dict[str, Track] = {}
        self._fences: dict[tuple[int, str], Fence] = {}
        self._waiters = Waiters(asyncio.get_running_loop())
        self._urgent: dict[str, None] = {}
        self._ask_now = asyncio.Event()
        self._sick: dict[str, None] = {}
        self._heal_now = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self._fresh_at = self._loop.time()
        self._away = False

    @property
    def ready(self) -> bool:
        """Whether the subscriptions have a connection."""
        return self._channels.connected

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until `stop`; one that ends by itself is a fault."""
        return self._tasks

    async def start(self, sink: Sink) -> None:
        """Begin; does not wait for Redis."""
        self._sink = sink
        create = self._loop.create_task
        self._tasks = [
            create(self._channels.run(), name="feed"),
            create(self._ask(), name="feed-heads"),
            create(self._watch(), name="feed-watch"),
            *(create(self._heal(), name=f"feed-healer-{number}") for number in range(HEALERS)),
        ]

    async def stop(self) -> None:
        """End."""
        await end(self._tasks)
        await self._client.aclose()

    def place_of(self, stream_id: str) -> Place:
        """Return the stream itself."""
        return stream_id

    def want(self, place: Place) -> None:
        """Subscribe to a stream."""
        stream_id = str(place)
        if stream_id not in self._tracks:
            self._tracks[stream_id] = Track()
            self._channels.want(stream_id)

    def release(self, place: Place) -> None:
        """Subscribe to it no longer."""
        stream_id = str(place)
        if self._tracks.pop(stream_id, None) is not None:
            self._channels.release(stream_id)
            self._waiters.forget(stream_id)

    async def reach(self, place: Place, since: float, within: float) -> bool:
        """Wait until nothing that was published at ``since`` is missing."""
        stream_id = str(place)
        track = self._tracks.get(stream_id)
        if track is not None and track.fresh_at > since:
            return True
        self._ask_soon(stream_id)
        return await self._waiters.wait(stream_id, since, within)

    # What the connection tells.

    def _joined(self, stream_id: str) -> None:
        track = self._tracks.get(stream_id)
        if track is not None:
            track.joined = True
            self._ask_soon(stream_id)  # from here on nothing is missed; what was before, the head shows

    def _heard(self, stream_id: str, message: bytes) -> None:
        track = self._tracks.get(stream_id)
        if track is None:
            return
        raw, appended_ms = stores.message_parts(message)
        record = self._decoded(raw)
        if record is None:
            return
        if not self._fence(stream_id, record).admits(-1, record):
            self._stats.records_fenced += 1
            return
        if track.healing:
            track.wait(record)
        elif track.judge(record) is Verdict.GAP:
            self._stats.feed_gaps += 1
            track.wait(record)
            self._sicken(stream_id, track)
        else:
            self._tell(stream_id, track, record, appended_ms)

    def _cut(self) -> None:
        if self._channels.cuts:
            self._stats.feed_restarts = self._channels.cuts
        for track in self._tracks.values():
            track.joined = False

    def _tell(self, stream_id: str, track: Track, record: Record, appended_ms: int | None = None) -> None:
        """Tell the hub; what was read from the window, or waited for that, is late for its own reason."""
        if track.judge(record) is Verdict.OLD:
            return
        track.told(record)
        self._sink.segment(stream_id, record, appended_ms)

    def _fence(self, stream_id: str, record: Record) -> Fence:
        """Return what is known of the writers of a stream's partition; a new cluster has new ones."""
        key = (partition_of(stream_id, self._partitions), record["epoch"].rpartition("-")[0])
        return self._fences.setdefault(key, Fence())

    def _decoded(self, message: bytes) -> Record | None:
        self._stats.records += 1
        try:
            record: Record = self._codec.decode(message)
        except UndecodableError as error:
            self._stats.records_bad += 1
            log.warning("message skipped", reason=error.reason)
            return None
        return record

    # Whether something is missing.

    def _ask_soon(self, stream_id: str) -> None:
        self._urgent[stream_id] = None
        self._ask_now.set()

    async def _ask(self) -> None:
        """Ask for the heads of all streams each second, and at once for those that somebody waits for."""
        due = self._loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - self._loop.time())):
                    await self._ask_now.wait()
            self._ask_now.clear()
            now = self._loop.time()
            try:
                await self._ask_heads(self._taken_urgent())
                if now >= due:
                    due = now + HEADS_SECONDS
                    await self._ask_all()
            except _AWAY:  # `_watch` says so when it lasts
                await asyncio.sleep(RETRY_SECONDS)

    async def _ask_all(self) -> None:
        begun = self._loop.time()
        everyone = list(self._tracks)
        for at in range(0, len(everyone), HEADS_PER_ASK):
            await self._ask_heads([*everyone[at : at + HEADS_PER_ASK], *self._taken_urgent()])
        if self._channels.connected:
            self._fresh_at = begun

    def _taken_urgent(self) -> list[str]:
        found = list(self._urgent)[:HEADS_PER_ASK]
        for each in found:
            del self._urgent[each]
        return found

    async def _ask_heads(self, stream_ids: Sequence[str]) -> None:
        wanted = [each for each in stream_ids if (track := self._tracks.get(each)) and track.joined]
        if not wanted:
            return
        asked_at = self._loop.time()
        async with asyncio.timeout(ASK_SECONDS):
            heads = await self._client.mget([stores.head(each) for each in wanted])
        for stream_id, text in zip(wanted, heads, strict=True):
            track = self._tracks.get(stream_id)
            if track is None or not track.joined or track.healing:
                continue
            if track.missing(_head(text)):
                self._stats.feed_gaps += 1
                self._sicken(stream_id, track)
            else:
                self._freshen(stream_id, track, asked_at)

    def _freshen(self, stream_id: str, track: Track, at: float) -> None:
        track.fresh_at = max(track.fresh_at, at)
        if track.stale:
            track.stale = False
            self._sink.behind(stream_id, stale=False)
        if self._waiters.wake(stream_id, track.fresh_at):
            self._ask_soon(stream_id)

    async def _watch(self) -> None:
        """Say what is stale: everything while Redis is away, and what is not healed in time."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = self._loop.time()
            away = now - self._fresh_at > STALE_SECONDS
            if away != self._away:
                log.warning("feed stale" if away else "feed up to date again", channels=len(self._tracks))
                self._away = away
            for stream_id in list(self._tracks if away else self._sick):
                track = self._tracks.get(stream_id)
                if track is None or track.stale or now - track.fresh_at <= STALE_SECONDS:
                    continue
                track.stale = True
                self._sink.behind(stream_id, stale=True)

    # Healing.

    def _sicken(self, stream_id: str, track: Track) -> None:
        track.healing = True
        self._sick[stream_id] = None
        self._heal_now.set()

    def _patients(self) -> Iterator[str]:
        while self._sick:
            stream_id = next(iter(self._sick))
            del self._sick[stream_id]
            yield stream_id

    async def _heal(self) -> None:
        while True:
            await self._heal_now.wait()
            for stream_id in self._patients():
                track = self._tracks.get(stream_id)
                if track is None:
                    continue
                try:
                    async with asyncio.timeout(HEAL_SECONDS):
                        await self._read_missing(stream_id, track)
                except _AWAY:
                    self._sick[stream_id] = None
                    await asyncio.sleep(RETRY_SECONDS)
            if not self._sick:
                self._heal_now.clear()

    async def _read_missing(self, stream_id: str, track: Track) -> None:
        """Tell what the window has behind what was told, and then what waited."""
        head = _head(await self._client.get(stores.head(stream_id)))
        epoch = head.epoch if head is not None else track.epoch
        rows: Sequence[Any] = ()
        if epoch is not None:
            key, after = stores.window(stream_id, epoch), track.whence(epoch)
            rows = await self._client.zrevrangebyscore(key, "+inf", f"({after}", 0, HEAL_SEGMENTS_MAX)
        if self._tracks.get(stream_id) is not track:
            return
        for row in reversed(rows):
            record = self._decoded(row)
            if record is not None:
                self._tell(stream_id, track, record)
        for record in track.waiting():
            self._tell(stream_id, track, record)
        track.healing = False
        if track.missing(head):
            # The window does not have it any more: viewers ask anew, and are told what they missed.
            track.begin_anew()
            self._sink.lost(stream_id)
        self._ask_soon(stream_id)


def _head(text: Any) -> stores.Head | None:
    try:
        return stores.Head.from_text(text.decode()) if text is not None else None
    except ValueError:
        return None

"""One viewer's replay: reads ahead, waits until comments are due, sends them. The rim around `schedule`.

A viewer whose socket is full is sent nothing; what became due meanwhile comes thinned when it takes bytes
again. Where reading cannot keep up with the video, what is late is skipped, and the hole announced.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from edge.api.problems import Away
from edge.bucket import Bucket
from edge.errors import fault
from edge.protocol.codec import Codec
from edge.publication import Hole, document
from edge.replay.asked import Asked
from edge.replay.playhead import Playhead
from edge.replay.reel import CHUNK_SECONDS, Reel
from edge.replay.schedule import Due, Entry, Schedule
from schemas.archive import ArchiveUnavailable

BACKLOG_SEQS: Final = 50
"""Before a position that is jumped to, so that the screen is not empty."""
READABLE_PER_SECOND: Final = 20.0
"""Comments that one viewer is shown, whatever was said and however fast it is played."""
BURST: Final = 60
TICK_SECONDS: Final = 0.1
"""Between two publications."""
IDLE_SECONDS: Final = 1.0
"""Between two looks where nothing is due, or the archive does not answer."""
LATE_MS: Final = 10_000
"""Reading that is this far behind, at the video's own speed, goes on where the video is."""
CHUNKS_PER_ROUND: Final = 4

log = structlog.get_logger()


class Screen(Protocol):
    """The viewer's connection."""

    blocked: bool
    closed: bool

    @property
    def write(self) -> Callable[[bytes], None]:
        """Send a frame."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Whom a replay is for: the subscription's channel, its connection, and how that is spoken to."""

    channel: str
    screen: Screen
    codec: Codec


@dataclass(frozen=True, slots=True)
class Target:
    """Where to go on. ``hole``: whether what is left out is announced."""

    position_ms: float
    hole: bool = False


class Player:
    """See the module. Made by `edge.replay.booth`; ``starts_at``: ms since 1970, when the video began."""

    def __init__(self, reel: Reel, seat: Seat, starts_at: int, playhead: Playhead) -> None:
        self.reel = reel
        self._seat = seat
        self._screen = seat.screen
        self._starts_at = starts_at
        self._playhead = playhead
        self._now = now = reel.now
        self._schedule = Schedule(starts_at, 0)
        self._bucket = Bucket(READABLE_PER_SECOND, BURST, now())
        self._target: Target | None = None
        self._jumped = False
        self._pinned: Entry | None = None
        self._hole: Hole | None = None
        self._ended = False
        self._stale = False
        self._read_at = now()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def told(self) -> int:
        """Up to here all was told."""
        return self._schedule.told

    def enter(self) -> None:
        """Hear from now on what is taken away: before anything is read."""
        self.reel.enter(self)

    async def go_to(self, target: Target) -> None:
        """Go on at a position, some comments before it. Raises Away, ArchiveUnavailable."""
        last = await self.reel.after(target.position_ms, self._starts_at)
        before, after = self._schedule.told, max(self.reel.extent.first_seq - 1, last - BACKLOG_SEQS, 0)
        if target.hole:
            after = max(before, after)
        self._pinned = await self.reel.pinned(last)
        self._schedule.go_to(after)
        self._hole = Hole(before, after, "late") if target.hole and after > before else None
        self._jumped = not target.hole
        self._ended = False
        self._bucket = Bucket(READABLE_PER_SECOND, BURST, self._now())

    async def go_on(self, after: int) -> None:
        """Go on behind a number: the video is where its comment was said. Raises Away, ArchiveUnavailable."""
        chunk = await self.reel.chunk(max(0, after - 1))
        at = [entry.at for entry in chunk.entries if entry.seq <= after][-1:]
        self._schedule.go_to(after)
        if at:
            position = max(0, at[0] - self._starts_at)
            self._playhead = Playhead(position, self._now(), self._playhead.speed, self._playhead.paused)

    def start(self) -> None:
        """Begin to play; its viewer has been told that it does."""
        self._task = asyncio.create_task(self._run(), name="replay")
        deleted, cleared = self.reel.taken
        if deleted or cleared:
            self.gone(deleted, cleared)

    def stop(self) -> "asyncio.Task[None] | None":
        """End; the task that ends is returned."""
        self.reel.leave(self)
        if self._task is not None:
            self._task.cancel()
        return self._task

    def wake(self) -> None:
        """Look again: something has changed."""
        self._wake.set()

    def ask(self, asked: Asked) -> Mapping[str, Any]:
        """Take what the viewer asks; return `state`."""
        now = self._now()
        if self._playhead.jumps(asked, now):
            self._target = Target(asked.position_ms or 0.0)
        self._playhead = self._playhead.asked(asked, now)
        self.wake()
        return self.state

    @property
    def state(self) -> Mapping[str, Any]:
        """Where it is, as its viewer is told."""
        head, now = self._playhead, self._now()
        return {
            "starts_at": self._starts_at,
            "duration_ms": max(0, self.reel.extent.ends_at - self._starts_at),
            "position_ms": round(head.at(now)),
            "speed": head.speed,
            "paused": head.paused,
            "seq": self._schedule.told,
        }

    # What the reel tells.

    def gone(self, deleted: frozenset[str], cleared: Mapping[str, int]) -> None:
        """Take what was taken away off the screen, and out of what was read ahead."""
        self._schedule.hide(self.reel.hidden)
        if self._task is not None and not self._screen.closed:
            members = {"gone": {"ids": sorted(deleted), "users": dict(cleared)}}
            self._send(self._schedule.told, self._schedule.told, (), members)

    def renew(self) -> None:
        """Read anew."""
        self._schedule.forget()
        self.wake()

    # How it is done.

    async def _run(self) -> None:
        while not self._screen.closed:
            self._wake.clear()
            try:
                await self._round()
                pause = self._pause()
            except (Away, ArchiveUnavailable):
                self._say_stale()
                pause = IDLE_SECONDS
            except Exception as error:  # noqa: BLE001 - one viewer's replay, not the edge's end
                log.error("replay failed", **fault(error))  # noqa: TRY400
                self._say_stale()
                pause = IDLE_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _round(self) -> None:
        while (target := self._target) is not None:
            await self.go_to(target)
            if self._target is target:
                self._target = None
        if self._now() - self._read_at > CHUNK_SECONDS:
            self._schedule.forget()
        try:
            await self._fill()
        except (Away, ArchiveUnavailable):
            if self._schedule.next_ms is None:
                raise
            self._ended = True  # for now: what was read is played, and then it is tried again
        if self._target is None:
            self._play()

    async def _fill(self) -> None:
        schedule, ended = self._schedule, False
        for _ in range(CHUNKS_PER_ROUND):
            if self._target is not None or not schedule.hungry:
                break
            if schedule.read == schedule.told:
                self._read_at = self._now()
            ended = not schedule.feed(await self.reel.chunk(schedule.read))
            if ended:
                break
            # It may be a while since the chunk was read; what was taken away since is known.
            schedule.hide(self.reel.hidden)
        self._ended = ended
        position = self._playhead.at(self._now())
        last = schedule.last_ms
        if last is not None and not ended and position - last > LATE_MS * max(1.0, self._playhead.speed):
            self._target = Target(position, hole=True)

    def _play(self) -> None:
        if self._screen.blocked or self._screen.closed:
            return
        if self.reel.stale:
            self._say_stale()
            return
        now = self._now()
        room = int(self._bucket.left(now))
        due = self._schedule.due(self._playhead.at(now), room)
        if due is not None:
            self._bucket.take(now, min(room, len(due.entries)))
        elif not (self._jumped or self._stale or self._hole is not None):
            return  # nothing to say
        self._tell(due or Due(self._schedule.told, self._schedule.told, ()))

    def _tell(self, due: Due) -> None:
        members: dict[str, Any] = {}
        if self._jumped:
            pin = self._pinned if self._pinned is not None and not self.reel.hidden(self._pinned) else None
            members = {"seek": True, "pinned": json.loads(pin.body) if pin is not None else None}
        after = self._hole.from_seq if self._hole is not None else due.after
        self._send(after, due.upto, [entry.body for entry in due.entries], members, self._hole)
        self._jumped, self._hole, self._stale = False, None, False

    def _say_stale(self) -> None:
        """Say once that nothing is played for now."""
        if not self._stale and not self._screen.blocked and not self._screen.closed:
            self._stale = True
            self._send(self._schedule.told, self._schedule.told, (), {"stale": True})

    def _send(
        self,
        after: int,
        upto: int,
        bodies: Sequence[bytes],
        members: Mapping[str, Any],
        hole: Hole | None = None,
    ) -> None:
        members = {"position_ms": round(self._playhead.at(self._now())), **members}
        data = document(after, upto, bodies, viewers=-1, hole=hole)[:-1]
        data += b"," + json.dumps(members, ensure_ascii=False).encode(errors="replace")[1:]
        codec = self._seat.codec
        self._screen.write(codec.frame(codec.push(self._seat.channel, upto, data)))

    def _pause(self) -> float | None:
        """Return the seconds until there is something to do; None: not before it is asked for something."""
        if self._target is not None:
            return 0.0
        if self._screen.blocked:
            return None
        if self.reel.stale:
            return TICK_SECONDS
        at = self._schedule.next_ms
        when = self._playhead.when(at) - self._now() if at is not None else math.inf
        if self._playhead.paused and when == math.inf:
            return None
        if self._schedule.hungry and not self._ended:
            return TICK_SECONDS
        return min(max(TICK_SECONDS, when), IDLE_SECONDS if self._ended and at is None else CHUNK_SECONDS)

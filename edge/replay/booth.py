"""One connection's replays: subscribed to, told where the video is, ended."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from edge.api.problems import Away
from edge.protocol import commands as c
from edge.protocol.codec import Codec
from edge.protocol.codes import Error
from edge.protocol.session import Steer, Survey, Watch
from edge.replay.asked import Asked, AskedWrongError, on_call, on_subscribe, on_survey
from edge.replay.player import Player, Screen, Seat, Target
from edge.replay.playhead import Playhead
from edge.replay.reel import Reel
from edge.replay.service import FullError, NothingError, Replays
from schemas.archive import ArchiveError, ArchiveUnavailable

REPLAYS_PER_CONNECTION_MAX: Final = 2
NOT_SUBSCRIBED: Final = "this connection is not subscribed to that replay"
AWAY: Final = "the archive does not answer, or is behind; try again"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Desk:
    """What a booth needs of its connection. ``forget``: a subscription did not come about."""

    screen: Screen
    codec: Codec
    answer: Callable[[int, c.Result], None]
    forget: Callable[[str], None]


class Booth:
    """See the module. ``replays`` None: there are none at this edge."""

    def __init__(self, replays: Replays | None, desk: Desk) -> None:
        self._replays = replays
        self._desk = desk
        self._watches: dict[str, Watch] = {}
        self._players: dict[str, Player] = {}

    def refuse(self, watch: Watch, failed: c.Failed) -> None:
        """Say that a subscription did not come about."""
        self._forget(watch)
        self._desk.answer(watch.id, failed)

    async def watch(self, watch: Watch) -> None:
        """Begin a replay."""
        replays = self._replays
        if replays is None:
            self.refuse(watch, c.Failed.of(Error.NOT_AVAILABLE, "this edge plays no replays"))
            return
        if len(self._watches) + len(self._players) >= REPLAYS_PER_CONNECTION_MAX:
            words = f"a connection has {REPLAYS_PER_CONNECTION_MAX} replays at most"
            self.refuse(watch, c.Failed.of(Error.LIMIT_EXCEEDED, words))
            return
        self._watches[watch.channel] = watch
        try:
            await self._begin(watch, replays)
        except AskedWrongError as error:
            self.refuse(watch, c.Failed.of(Error.BAD_REQUEST, str(error)))
        except NothingError as error:
            self.refuse(watch, c.Failed.of(Error.UNKNOWN_CHANNEL, str(error)))
        except FullError as error:
            self.refuse(watch, c.Failed.of(Error.TOO_MANY_REQUESTS, str(error)))
        except ArchiveError as error:
            log.error("the archive cannot be used", error=str(error))  # noqa: TRY400 - the operator's, no trace
            self.refuse(watch, c.Failed.of(Error.NOT_AVAILABLE, "the archive cannot be used"))
        except (Away, ArchiveUnavailable):
            self.refuse(watch, c.Failed.of(Error.INTERNAL, AWAY))
        except BaseException:
            self._forget(watch)
            raise

    def steer(self, steer: Steer) -> c.Result:
        """Take where the video is, and how it goes on."""
        try:
            channel, asked = on_call(steer.data)
        except AskedWrongError as error:
            return c.Failed.of(Error.BAD_REQUEST, str(error))
        player = self._players.get(channel)
        if player is None:
            return c.Failed.of(Error.BAD_REQUEST, NOT_SUBSCRIBED)
        return c.Called(json.dumps(player.ask(asked)).encode())

    async def survey(self, survey: Survey) -> None:
        """Count a replay's comments over its time."""
        self._desk.answer(survey.id, await self._surveyed(survey.data))

    async def _surveyed(self, data: object) -> c.Result:
        try:
            channel, buckets = on_survey(data)
            player = self._players.get(channel)
            if player is None:
                return c.Failed.of(Error.BAD_REQUEST, NOT_SUBSCRIBED)
            found = await player.reel.histogram(buckets)
        except AskedWrongError as error:
            return c.Failed.of(Error.BAD_REQUEST, str(error))
        except (Away, ArchiveUnavailable):
            return c.Failed.of(Error.INTERNAL, AWAY)
        if found is None:
            return c.Failed.of(Error.NOT_AVAILABLE, "nothing is archived of it any more")
        return c.Called(json.dumps(found.view).encode())

    def leave(self, channel: str) -> None:
        """End a replay."""
        self._watches.pop(channel, None)
        player = self._players.pop(channel, None)
        if player is not None and self._replays is not None:
            self._replays.ended(player)

    def wake(self) -> None:
        """Go on: the socket takes bytes again."""
        for player in self._players.values():
            player.wake()

    def close(self) -> None:
        """End them all."""
        for channel in [*self._watches, *self._players]:
            self.leave(channel)

    def _forget(self, watch: Watch) -> None:
        """Let the channel be subscribed to again, unless it was meanwhile."""
        if self._watches.get(watch.channel, watch) is watch:
            self._watches.pop(watch.channel, None)
            self._desk.forget(watch.channel)

    async def _begin(self, watch: Watch, replays: Replays) -> None:
        asked = on_subscribe(watch.data)
        reel = await replays.open(watch.stream_id, asked.epoch)
        player = self._player(watch, reel, asked)
        player.enter()
        try:
            recovered = await _place(player, watch, asked)
        except BaseException:
            replays.ended(player)
            raise
        if self._watches.get(watch.channel) is not watch:
            replays.ended(player)
            self._desk.answer(watch.id, c.Failed.of(Error.NOT_AVAILABLE, "unsubscribed meanwhile"))
            return
        del self._watches[watch.channel]
        self._players[watch.channel] = player
        position, data = c.Position(reel.epoch, player.told), json.dumps(player.state).encode()
        recovering = watch.since is not None
        self._desk.answer(watch.id, c.Subscribed(position, recovering, recovered, data=data))
        player.start()

    def _player(self, watch: Watch, reel: Reel, asked: Asked) -> Player:
        now, desk = reel.now(), self._desk
        starts_at = reel.extent.starts_at if asked.starts_at is None else asked.starts_at
        playhead = Playhead(0.0, now).asked(asked, now)
        return Player(reel, Seat(watch.channel, desk.screen, desk.codec), starts_at, playhead)


async def _place(player: Player, watch: Watch, asked: Asked) -> bool:
    """Put a player where its viewer was, or wants to be; return whether it was."""
    since, reel = watch.since, player.reel
    if since is not None and since.epoch == reel.epoch and 0 <= since.offset <= reel.extent.last_seq:
        await player.go_on(since.offset)
        return True
    await player.go_to(Target(asked.position_ms or 0.0))
    return False

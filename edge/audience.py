"""Who watches a stream, grouped so that a window is encoded once a group and written in a plain loop.

A group is one (encoding, lane). A viewer whose socket is full leaves its group until all that waits for it
is gone. So a member's frame may go straight to the kernel, past its transport, and overtakes nothing; and the
loop over a group is `os.write` and nothing else (to touch the objects of each connection would cost a fifth
more, in cache misses).
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, Protocol

import xxhash

from edge.protocol.codec import Codec

LANES: Final = 64
SILENT_SECONDS: Final = 1.0
"""A lane for which there is nothing is told its position no later than this."""
_NOTHING: Final[Mapping[int, bytes]] = {}
Write = Callable[[bytes], None]


class Outlet(Protocol):
    """A connection, as far as a stream knows it."""

    fd: int
    """Of its socket."""
    write: Write
    """Sends what the kernel does not take at once as soon as it does; meanwhile the outlet is ``blocked``."""
    blocked: bool
    """Whether something waits for the socket."""

    def expelled(self, channel: str) -> None:
        """Take note that the subscription to ``channel`` was ended."""

    def go_on(self) -> None:
        """Send what subscriptions lack that are behind, as far as the socket takes it."""


def lane_of(stream_id: str, user_id: str) -> int:
    """Return the lane of a user on a stream, 0 to 63, the same on every edge."""
    return xxhash.xxh3_64_intdigest(f"{stream_id}\0{user_id}".encode()) & (LANES - 1)


class Subscriber:
    """One subscription of one connection; a connection has at most one of a stream.

    ``behind``: the seq it has, while it lacks some of what was sent. ``exact``: it is behind because it
    came back, and gets everything; not because it is slow.
    """

    __slots__ = ("behind", "codec", "exact", "lane", "outlet", "user_id")

    def __init__(self, outlet: Outlet, codec: Codec, user_id: str, lane: int) -> None:
        self.outlet = outlet
        self.codec = codec
        self.user_id = user_id
        self.lane = lane
        self.behind: int | None = None
        self.exact = False


class Group:
    """Subscribers that get the same bytes. Nothing waits for the socket of any of them.

    ``sent``: the seq up to which all of them were told. ``seen``: up to which they had their turn; between
    the two there is nothing for them, or it was skipped, up to ``late``. ``silent_since``: when they were
    first left untold (monotonic, seconds). ``state``, ``reacted``: the newest of the stream's states, and of
    its reactions, that they were told (`edge.stream.Stream`).
    """

    __slots__ = (
        "_fds", "_members", "codec", "lane", "late", "reacted", "seen", "sent", "silent_since", "state",
    )  # fmt: skip

    def __init__(self, codec: Codec, lane: int) -> None:
        self.codec = codec
        self.lane = lane
        self.sent = self.seen = 0
        self.late = -1
        self.silent_since: float | None = None
        self.state = self.reacted = 0
        self._members: dict[int, Subscriber] = {}
        self._fds: tuple[int, ...] | None = None

    def is_due(self, now: float) -> bool:
        """Whether they are to be told their position though there is nothing for them."""
        return self.silent_since is not None and now >= self.silent_since + SILENT_SECONDS

    @property
    def members(self) -> Collection[Subscriber]:
        """Who they are."""
        return self._members.values()

    def send(self, frame: bytes, own: Mapping[int, bytes] = _NOTHING) -> None:
        """Write a frame to every member; ``own``: by descriptor, what some of them get instead."""
        fds = self._fds
        if fds is None:
            # A copy, since a write may make its member leave; in the order in which sockets lie in memory.
            fds = self._fds = tuple(sorted(self._members))
        if own:
            fds = tuple(fd for fd in fds if fd not in own)
        write, size = os.write, len(frame)
        for fd in fds:
            try:
                sent = write(fd, frame)
            except OSError:
                sent = 0  # full, or gone, which the transport knows how to find out
            if sent != size:
                self._members[fd].outlet.write(frame[sent:])
        for fd, other in own.items():
            self._members[fd].outlet.write(other)

    def add(self, subscriber: Subscriber) -> None:
        """Take a member in."""
        self._members[subscriber.outlet.fd] = subscriber
        self._fds = None

    def remove(self, subscriber: Subscriber) -> None:
        """Let a member go."""
        if self._members.get(subscriber.outlet.fd) is subscriber:
            del self._members[subscriber.outlet.fd]
            self._fds = None


class Audience:
    """The subscribers of one stream."""

    __slots__ = ("_groups", "_users", "count")

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int], Group] = {}
        self._users: dict[str, list[Subscriber]] = {}
        self.count = 0

    @property
    def groups(self) -> Collection[Group]:
        """Groups of those that can take bytes; whose turn was longest ago comes first."""
        return self._groups.values()

    def had_turn(self, group: Group) -> None:
        """Put a group behind the others, if there is still one."""
        key = _key(group)
        if self._groups.get(key) is group:
            self._groups[key] = self._groups.pop(key)

    @property
    def users(self) -> int:
        """How many different users there are."""
        return len(self._users)

    @property
    def user_ids(self) -> Iterable[str]:
        """Who they are."""
        return self._users.keys()

    def add(self, subscriber: Subscriber) -> Group | None:
        """Begin to deliver to a subscriber; return its group if that is new."""
        self.count += 1
        self._users.setdefault(subscriber.user_id, []).append(subscriber)
        return self.unblock(subscriber)

    def remove(self, subscriber: Subscriber) -> bool:
        """Stop delivering; False: it was no member."""
        mine = self._users.get(subscriber.user_id, [])
        if subscriber not in mine:
            return False
        self.count -= 1
        mine.remove(subscriber)
        if not mine:
            del self._users[subscriber.user_id]
        self._leave_group(subscriber)
        return True

    def block(self, subscriber: Subscriber, seq: int) -> None:
        """Leave out a subscriber that is behind: it has everything up to ``seq``."""
        subscriber.behind = seq
        self._leave_group(subscriber)

    def unblock(self, subscriber: Subscriber) -> Group | None:
        """Take a subscriber (back) into its group; return that if it is new."""
        subscriber.behind, subscriber.exact = None, False
        group, new = self.group_of(subscriber), None
        if group is None:
            group = new = Group(subscriber.codec, subscriber.lane)
            self._groups[_key(subscriber)] = group
        group.add(subscriber)
        return new

    def of_user(self, user_id: str) -> list[Subscriber]:
        """Return a user's subscribers that can take bytes."""
        return [each for each in self._users.get(user_id, ()) if each.behind is None]

    def group_of(self, subscriber: Subscriber) -> Group | None:
        """Return the group that a subscriber belongs to while it can take bytes; None: it would be alone."""
        return self._groups.get(_key(subscriber))

    def __iter__(self) -> Iterator[Subscriber]:
        for mine in list(self._users.values()):
            yield from list(mine)

    def _leave_group(self, subscriber: Subscriber) -> None:
        group = self.group_of(subscriber)
        if group is not None:
            group.remove(subscriber)
            if not group.members:
                del self._groups[_key(subscriber)]


def _key(of: Subscriber | Group) -> tuple[str, int]:
    return of.codec.name, of.lane

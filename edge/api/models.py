"""Bodies of requests and answers, as ``/openapi.json`` documents them.

Unknown members of a request are refused, and types are taken as they are: ``"5"`` is no number.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.checks import REASON_CHARS_MAX, SECONDS_MAX, SLOW_SECONDS_MAX, TARGET_CHARS_MAX
from schemas.archive.base import PAGE_EVENTS_MAX
from schemas.streamsettings import TITLE_CHARS_MAX

SEQ_MAX = 2**53 - 1
"""The largest number that every JSON reader keeps."""
_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

UserId = Annotated[str, Field(min_length=1, max_length=TARGET_CHARS_MAX, pattern=_LINE)]
CommentId = Annotated[str, Field(pattern=_UUID, description="A UUID.")]
Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX, pattern=_LINE)]
Seconds = Annotated[int, Field(ge=0, le=SECONDS_MAX)]
Seq = Annotated[int, Field(ge=1, le=SEQ_MAX)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class CommentsQuery(BaseModel):
    """Which comments: from ``from_seq`` on, or from the first one at or after ``at`` (ms since 1970).

    ``epoch``: the newest, if it is not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_seq: Annotated[int, Field(ge=0, le=SEQ_MAX)] | None = None
    to_seq: Annotated[int, Field(ge=0, le=SEQ_MAX)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_EVENTS_MAX)] = 100
    epoch: Annotated[str, Field(max_length=100)] | None = None
    at: Annotated[int, Field(ge=0, le=SEQ_MAX)] | None = None


class NewStream(_Request):
    """A stream to open. ``creator``: the user id of whose stream it is."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
    creator: UserId
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARS_MAX, pattern=_LINE)] | None = None


class NewComment(_Request):
    """A comment. ``id``: a UUID made by the client, the same again in a retry."""

    text: str = ""
    id: CommentId | None = None
    sticker: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,64}$")] | None = None


class StreamSettings(_Request):
    """What changes; what is not named stays as it is. Bounds and meanings: `schemas.streamsettings`."""

    title: str | None = None
    moderators: list[str] | None = None
    members: list[str] | None = None
    slow_mode_seconds: int | None = None
    members_only: bool | None = None
    emote_only: bool | None = None
    review: bool | None = None
    words: list[str] | None = None
    words_action: str | None = None
    links: str | None = None
    capitals_percent_max: int | None = None
    chars_max: int | None = None
    flood_comments: int | None = None
    flood_seconds: int | None = None
    repeat_seconds: int | None = None
    sampling: str | None = None
    sampling_viewers: int | None = None


class NewBan(_Request):
    """``seconds``: None is for good. ``clear``: also take away what they have written so far.

    ``kind``: ``shadow`` shows what they write to them alone, ``hold`` keeps it for a moderator.
    """

    kind: Literal["ban", "timeout", "shadow", "hold"] = "ban"
    seconds: Seconds | None = None
    reason: Reason | None = None
    clear: bool = False


class Clear(_Request):
    """Take away everything that ``user`` has written so far."""

    user: UserId
    reason: Reason | None = None


class Hold(_Request):
    """Either what ``user`` writes from now on waits for a moderator, or ``comment_id``, which is shown, does.

    ``seq``: where that comment stands; without it the last comments are looked through.
    """

    user: UserId | None = None
    comment_id: CommentId | None = None
    seq: Seq | None = None
    seconds: Seconds | None = None
    reason: Reason | None = None


class PlatformBan(_Request):
    """``seconds``: None is for good."""

    seconds: Seconds | None = None
    reason: Reason | None = None


class WordList(_Request):
    """Rules, one a line, as `schemas.filtering.rules` explains them."""

    words: list[str]


class OnComment(_Request):
    """A command about one comment. ``seq``: where it stands; without it the last ones are looked through."""

    comment_id: CommentId
    seq: Seq | None = None
    reason: Reason | None = None


class Slow(_Request):
    """At least so many seconds between two comments of one user; 0 ends it."""

    seconds: Annotated[int, Field(ge=0, le=SLOW_SECONDS_MAX)]


class Why(_Request):
    """A command that needs nothing but, perhaps, a reason."""

    reason: Reason | None = None


class Mistake(_Answer):
    """One mistake of a request, and where it is."""

    at: str
    detail: str


class Accepted(_Answer):
    """It is durable. ``id``: of the comment or command."""

    id: str


class Stream(_Answer):
    """A stream. ``created_at``: ms since 1970."""

    id: str
    creator: str
    title: str | None
    state: str
    created_at: int | None
    slow_mode_seconds: int = 0
    members_only: bool = False
    emote_only: bool = False
    chars_max: int = 0
    pinned: str | None = None


class Streams(_Answer):
    """The newest first. ``next``: the ``after`` of the next page; None: there is none."""

    streams: list[Stream]
    next: str | None


class Settings(_Answer):
    """A stream's settings, for its moderators."""

    title: str | None
    moderators: list[str]
    settings: dict[str, Any]


class User(_Answer):
    """An author, as they were when they wrote."""

    id: str
    name: str
    role: str


class Comment(_Answer):
    """A comment. ``at``: ms since 1970."""

    type: Literal["comment"]
    id: str
    seq: int
    user: User
    text: str
    at: int
    sticker: str | None = None
    copies: int = 1


class Comments(_Answer):
    """The comments of [``from_seq``, ``to_seq``], ascending; deleted and cleared ones are left out.

    ``next_seq``: the ``from_seq`` of the next page; None: there is nothing more yet, and what comes later
    begins at ``to_seq`` + 1. ``omitted``: comments of the range that sampling left out, and that the archive
    does not have yet: read the range again later.
    """

    epoch: str | None
    from_seq: int
    to_seq: int
    comments: list[Comment]
    next_seq: int | None
    omitted: int


class Ban(_Answer):
    """``until``: ms since 1970; None: for good."""

    user: str
    kind: str
    until: int | None
    reason: str | None


class Bans(_Answer):
    """``next``: the ``cursor`` of the next page; None: there is none."""

    bans: list[Ban]
    next: str | None


class Held(_Answer):
    """A comment that waits for a moderator. ``why``: what it was held for."""

    id: str
    user: User
    text: str
    sticker: str | None
    at: int
    why: str


class HeldQueue(_Answer):
    """The oldest first."""

    held: list[Held]


class Caught(_Answer):
    """A comment, the rule that would have caught it, and the disguises it came in."""

    comment: Comment
    rule: str
    disguises: list[str]


class Trial(_Answer):
    """``caught``: the last of ``count``; ``faults``: rules that are none."""

    looked_at: int
    count: int
    caught: list[Caught]
    faults: list[Mistake]


class AuditEntry(_Answer):
    """One command, and what came of it: ``outcome`` is applied or refused. ``at``: ms since 1970."""

    at: int
    actor: str
    role: str
    action: str
    id: str
    target: str | None
    seconds: int | None
    reason: str | None
    settings: str | None
    outcome: str
    refusal: str | None


class Audit(_Answer):
    """The newest first. ``next``: the ``before`` of the next page; None: there is nothing more."""

    entries: list[AuditEntry]
    next: int | None


class Stats(_Answer):
    """What is known of a stream now.

    ``viewers`` are connections, ``users`` people; None: not known. ``events_per_second`` over ten seconds.
    Where ``sampled``: ``why`` (viewers | latency | setting), and ``rate``, the comments a second that one is
    shown. ``p50_ms``, ``p99_ms``: from a comment's submission to its viewers.
    """

    epoch: str | None
    seq: int
    state: str
    events_per_second: float
    viewers: int | None
    users: int | None
    sampled: bool
    why: str | None
    rate: float | None
    p50_ms: float | None
    p99_ms: float | None
    reactions: dict[str, int]


class LiveStream(_Answer):
    """A stream that is watched now. Delays in ms, from the log to the sockets; None: not known.

    ``users``: different ones, estimated; ``why`` it is sampled: viewers, latency or setting; ``rate``:
    comments a second that a viewer gets then; ``lanes``: what each lane was shown in ten seconds.
    """

    id: str
    viewers: int
    users: float | None
    edges: int
    p50_ms: float | None
    p99_ms: float | None
    queue_ms: float | None
    sampled: bool
    why: str | None
    rate: float
    arrivals_per_s: float
    shown_per_s: float
    lanes: list[int]
    reactions: dict[str, int]


class LiveStreams(_Answer):
    """The watched streams with the most viewers."""

    streams: list[LiveStream]


class Edges(_Answer):
    """Where to connect: ``url`` first, then the ``fallbacks`` in their order."""

    url: str
    fallbacks: list[str]


class RegistryProblem(_Answer):
    """An error as the Schema Registry has them; the first three digits of ``error_code`` are the status."""

    error_code: int
    message: str


class ProblemView(_Answer):
    """A problem (RFC 9457). ``code``: the refusal's; ``retry_after``: seconds; ``id``: to retry with."""

    type: str
    title: str
    status: int
    detail: str
    code: int | None = None
    retry_after: float | None = None
    id: str | None = None
    errors: list[Mistake] | None = None

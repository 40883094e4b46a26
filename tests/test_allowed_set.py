"""The whole: for any interleaving of comments and actions, every way to look shows the same allowed set.

Real stages over a log in memory; a real edge stream with a viewer who was always there, one who comes and
goes, one who comes last; the catch-up window; the SQLite archive. Held against a model that knows nothing of
how any of them works.
"""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingest import IngestStage
from agents.moderate import ModerateStage
from agents.sample import SampleStage
from agents.sequence import SequenceStage
from agents.testing import TopologyDriver
from edge.admission import admit
from edge.ring import Ring
from edge.stats import Stats
from edge.stream import Stream, fold
from schemas import settings as config
from schemas.archive.sqlite import SqliteArchive
from schemas.continuity import Fence
from schemas.filtering import WordList
from schemas.overlay import Overlay
from schemas.records import Item
from tests.agents.items import comment, order, uuid
from tests.edge.reference import CODEC, Viewer

EPOCH = "test-0"
STREAM = "s"
USERS = ("ana", "bo", "cy")
TEXTS = ("hello", "what the heck", "darn it", "d.a.r.n", "h3ck")
ACTIONS = (  # withdraw: hold what is shown
    "ban",
    "unban",
    "shadow",
    "hold",
    "delete",
    "clear",
    "approve",
    "list",
    "review",
    "free",
    "withdraw",
    "pin",
)


class Model:
    """What should be seen, told in the order of submission."""

    def __init__(self) -> None:
        self.bans: dict[str, str] = {}
        self.words: list[str] = []
        self.action = "reject"
        self.review = False
        self.waiting: dict[str, tuple[str, str]] = {}
        self.withdrawn: set[str] = set()
        """Of those that wait, those that were shown before: approved, they come back under another id."""
        self.answered: set[str] = set()
        self.shown: list[tuple[str, str]] = []
        """(id, user), in order; shadowed ones are not here."""
        self.hidden: set[str] = set()
        self.seen: set[str] = set()

    def comment(self, id_: str, user: str, text: str) -> None:
        """Judge as a person would read the rules."""
        if id_ in self.seen:
            return
        self.seen.add(id_)
        plain = text.replace(".", "").replace("3", "e")
        ban = self.bans.get(user)
        if ban == "ban" or "darn" in plain:
            return
        listed = any(word in plain for word in self.words)
        if listed and self.action == "reject":
            return
        if listed or self.review or ban == "hold":
            self.waiting[id_] = (id_, user)
        elif ban != "shadow":
            self.shown.append((id_, user))

    def act(self, action: str, target: str, id_: str = "") -> None:
        """Apply an action; ``id_``: its own."""
        match action:
            case "ban" | "shadow" | "hold":
                self.bans[target] = action
            case "unban":
                self.bans.pop(target, None)
            case "delete":
                self.hidden.add(target)
                self.waiting.pop(target, None)
            case "clear":
                self.shown = [each for each in self.shown if each[1] != target]
                self.waiting = {id_: each for id_, each in self.waiting.items() if each[1] != target}
            case "approve" if target in self.waiting:
                _, user = self.waiting.pop(target)
                self.shown.append((id_ if target in self.withdrawn else target, user))
            case "withdraw":  # a shown comment is held: `items_of` has seen to that
                self.hidden.add(target)
                self.waiting[target] = next(each for each in self.shown if each[0] == target)
                self.withdrawn.add(target)
            case "list":
                self.words, self.action = ["heck"], target
            case "review":
                self.review = True
            case "free":
                self.words, self.review = [], False

    @property
    def allowed(self) -> list[str]:
        """Ids that everybody sees in the end, in order."""
        return [id_ for id_, _ in self.shown if id_ not in self.hidden]


def plan_of(random: Random) -> list[Any]:
    """Draw (what, user, pick, flag): half comments, half actions, of few users, so that they meet."""
    return [
        (
            random.choice(("comment", random.choice(ACTIONS))),
            random.randrange(len(USERS)),
            random.randrange(30),
            random.random() < 0.3,
        )
        for _ in range(random.randint(5, 40))
    ]


def items_of(plan: list[Any], model: Model) -> list[Item]:
    """Make items of a plan, and tell the model of each."""
    items: list[Item] = []
    sent: list[tuple[str, str, str]] = []
    comments: dict[str, Item] = {}
    for number, (kind, user, pick, again) in enumerate(plan, 1):
        who = USERS[user]
        if kind == "comment" and again and sent:
            id_, author, text = sent[pick % len(sent)]
            items.append(comment(STREAM, int(id_.replace("-", ""), 16), user=author, text=text))
            model.comment(id_, author, text)
        elif kind == "comment":
            sent.append((uuid(number), who, TEXTS[pick % len(TEXTS)]))
            items.append(comment(STREAM, number, user=who, text=TEXTS[pick % len(TEXTS)]))
            comments[sent[-1][0]] = items[-1]
            model.comment(*sent[-1])
        elif kind in {"withdraw", "pin"}:
            # Only what is shown can be held or pinned: the API looks it up.
            if shown := model.allowed:
                about = comments[shown[pick % len(shown)]]
                items.append(order(STREAM, number, "hold" if kind == "withdraw" else kind, about=about))
                model.act(kind, about["id"])
        else:
            target = who
            if kind in {"delete", "approve"}:
                target = sent[pick % len(sent)][0] if sent else uuid(999)
            action = "hold" if again else "reject"
            items.append(_order(number, kind, target, action))
            if kind == "approve" and target in model.withdrawn and target in model.waiting:
                comments[uuid(number)] = comments[target] | {"id": uuid(number)}
            model.act(kind, action if kind == "list" else target, uuid(number))
    return items


def _order(number: int, kind: str, target: str, action: str) -> Item:
    match kind:
        case "list":
            return order(STREAM, number, "settings", settings={"words": ["heck"], "words_action": action})
        case "review":
            return order(STREAM, number, "settings", settings={"review": True})
        case "free":
            return order(STREAM, number, "settings", settings={"review": False, "words": []})
        case _:
            return order(STREAM, number, kind, target=target)


def segments(topology: TopologyDriver, topic: str) -> list[Any]:
    """Read a topic as any reader must."""
    found = []
    for partition in range(topology.partitions):
        fence = Fence()
        for offset, record in enumerate(topology.records(topic, partition)):
            if fence.admits(offset, record) and record["stream_id"]:
                found.append(record)
    return found


def left(viewer: Viewer) -> list[str]:
    """Return what a viewer's screen shows, after the deletes and clears it was told."""
    overlay = Overlay()
    events = [_record(event) for event in viewer.seen]
    overlay.add_all(events)
    return [event["id"] for event in events if event["type"] == "comment" and not overlay.hides(event)]


def _record(view: dict[str, Any]) -> dict[str, Any]:
    user = view.get("user") or view["by"]
    return {
        "type": view["type"],
        "seq": view["seq"],
        "id": view.get("id", ""),
        "user_id": user["id"],
        "command": {"target": view.get("target")},
    }


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_every_way_to_look_shows_the_same_allowed_set(seed: int) -> None:
    """Live, resumed, late, window and archive agree with the model, shadowed comments aside."""
    random = Random(seed)
    model = Model()
    items = items_of(plan_of(random), model)
    async with TopologyDriver(
        [
            IngestStage(1),
            ModerateStage(WordList(("darn",)), EPOCH),
            SequenceStage(EPOCH, 120_000, 1),
            SampleStage(EPOCH),
        ],
        1,
    ) as topology:
        while items:
            size = random.randint(1, 8)
            topology.submit(items[:size])
            items = items[size:]
            await topology.settle()
        fanout = [each for each in segments(topology, "comments.fanout") if each["to_seq"] > 0]
        sequenced = segments(topology, "comments.sequenced")
    viewers = looked_at(fanout, random)
    for name, viewer in viewers.items():
        assert left(viewer) == model.allowed, name
    quoted = [event["comment"]["id"] for event in viewers["late"].seen if "comment" in event]
    assert set(quoted) <= set(model.allowed)
    overlay = Overlay()
    _, _, events = fold(EPOCH, fanout)
    overlay.add_all(events)
    window = [e["id"] for e in events if e["type"] == "comment" and e["mask"] and not overlay.hides(e)]
    assert window == model.allowed
    assert await archived(sequenced) == model.allowed


def looked_at(fanout: list[Any], random: Random) -> dict[str, Viewer]:
    """Let three guests watch: always, now and then, and at the end."""
    stream = Stream(STREAM, EPOCH, Ring(events_max=500, events_min=0, seconds=1e9), Stats())
    viewers = {name: Viewer(f"guest-{name}", STREAM) for name in ("always", "sometimes", "late")}
    stream.seed(EPOCH, [], 0, 0.0)
    come(stream, viewers["always"])
    come(stream, viewers["sometimes"])
    for segment in fanout:
        viewer = viewers["sometimes"]
        if random.random() < 0.4 and viewer.connected and viewer.subscriber is not None:
            stream.audience.remove(viewer.subscriber)
            viewer.go()
        elif not viewer.connected:
            come(stream, viewer)
        stream.take(segment, 0.0)
        stream.deliver()
        for each in viewers.values():
            each.read()
    if not viewers["sometimes"].connected:
        come(stream, viewers["sometimes"])
    come(stream, viewers["late"])
    for each in viewers.values():
        each.read()
    return viewers


def come(stream: Stream, viewer: Viewer) -> None:
    """Subscribe, from where the viewer was."""
    admission = admit(stream, viewer.come(), viewer.since, 500)
    viewer.write(CODEC.frame(CODEC.reply(1, admission.result), *admission.pushes))
    subscriber = viewer.subscriber
    while subscriber is not None and subscriber.behind is not None:
        frame = stream.resume(subscriber)
        if frame is None:
            break
        viewer.write(frame)
    viewer.read()


async def archived(sequenced: list[Any]) -> list[str]:
    """Write to a real archive, and read all of it back by pages."""
    with TemporaryDirectory() as directory:
        archive = SqliteArchive(Path(directory) / "a.sqlite3", config.Archive())
        await archive.open()
        try:
            for segment in sequenced:
                await archive.write([segment])
            found: list[str] = []
            next_seq: int | None = 1
            while next_seq is not None:
                page = await archive.read(STREAM, from_seq=next_seq, limit=3)
                if page is None:
                    break
                found += [event["id"] for event in page.events]
                next_seq = page.next_seq
            return found
        finally:
            await archive.close()

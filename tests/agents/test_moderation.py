"""Moderation through the whole topology, without a broker: one outcome a comment, whatever happens."""

import asyncio
import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.classifiers import Panel, Subject
from agents.core.held import HELD_SECONDS
from agents.core.policy import Policy, merged
from agents.ingest import IngestStage
from agents.moderate import ModerateStage
from agents.sample import SampleStage
from agents.sequence import SequenceStage
from agents.testing import CrashError, TopologyDriver
from schemas.filtering import WordList
from schemas.policies import EVERYWHERE, parts_of
from schemas.records import Item
from schemas.refusals import Code
from schemas.routing import partition_of
from tests.agents.items import comment, order, uuid
from tests.agents.test_driver import EPOCH, PARTITIONS, end_all, ids


def driver(panel: Panel | None = None) -> TopologyDriver:
    stages = [
        IngestStage(PARTITIONS),
        ModerateStage(WordList(("darn",)), EPOCH, 120_000, panel),
        SequenceStage(EPOCH, 120_000, PARTITIONS),
        SampleStage(EPOCH),
    ]
    return TopologyDriver(stages, PARTITIONS)


def notices(topology: TopologyDriver) -> list[tuple[str, int]]:
    return [(row["id"], row["code"]) for row in topology.records("comments.notices")]


def audit(topology: TopologyDriver) -> list[tuple[str, str, str | None]]:
    return [(row["action"], row["outcome"], row["refusal"]) for row in topology.records("moderation.audit")]


def held(topology: TopologyDriver, stream: str = "s") -> list[str]:
    state = topology.state("moderate", partition_of(stream, PARTITIONS))
    return list(state.rules[stream].held.waiting)


def told(topology: TopologyDriver) -> list[tuple[str, str]]:
    """Return type and id (of comments) or target of each event of the stream."""
    return [
        (row["type"], row["id"] if row["type"] == "comment" else (row["command"] or {})["target"])
        for segment in topology.records("comments.sequenced")
        for row in segment["events"]
    ]


HOLDING = order("s", 900, "settings", settings={"words": ["heck"], "words_action": "hold"})


async def test_a_held_comment_is_told_so_and_gets_a_place_when_it_is_approved() -> None:
    """Held: no number, a notice. Approved: one number, at the approval's place, as its author's comment."""
    async with driver() as topology:
        topology.submit([HOLDING, comment("s", 1, text="what the heck"), comment("s", 2)])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(900), uuid(2)]
        assert notices(topology) == [(uuid(1), Code.HELD)]
        assert held(topology) == [uuid(1)]
        topology.submit([order("s", 3, "approve", target=uuid(1)), comment("s", 4)])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(900), uuid(2), uuid(1), uuid(4)]
        assert held(topology) == []
        assert audit(topology)[-1] == ("approve", "applied", None)


async def test_a_shown_comment_that_is_held_is_deleted_and_comes_back_as_a_new_one() -> None:
    """Viewers are told a delete, without its text; the author that it waits; approved, it has another id."""
    async with driver() as topology:
        shown = comment("s", 1, text="hm")
        topology.submit([shown, order("s", 2, "hold", about=shown), order("s", 3, "hold", about=shown)])
        await topology.settle()
        assert told(topology) == [("comment", uuid(1)), ("delete", uuid(1))]
        assert held(topology) == [uuid(1)]
        assert notices(topology) == [(uuid(1), Code.HELD)]
        for partition in range(PARTITIONS):
            await topology.crash("moderate", partition)  # what waits is read back from its own output
        topology.submit([order("s", 4, "approve", target=uuid(1)), order("s", 5, "approve", target=uuid(1))])
        await topology.settle()
        assert told(topology)[2:] == [("comment", uuid(4))]
        again = topology.records("comments.sequenced")[-1]["events"][-1]
        assert (again["text"], again["user_id"], again["role"]) == ("hm", "ann", "viewer")
        assert again["command"] is None
        assert held(topology) == []
        quoting = [
            row for each in topology.records("comments.sequenced") for row in each["events"] if row["command"]
        ]
        assert all(row["command"]["comment"] is None for row in quoting)
        assert [row[0] for row in audit(topology)] == ["hold", "hold", "approve", "approve"]


@pytest.mark.parametrize("answer", ["delete", "clear"])
async def test_the_author_of_a_held_comment_is_told_that_it_was_rejected(answer: str) -> None:
    """By its id or with all of theirs, whether it was shown before or not; once."""
    async with driver() as topology:
        shown = comment("s", 2)
        topology.submit([HOLDING, comment("s", 1, text="heck"), shown, order("s", 3, "hold", about=shown)])
        for number, id_ in enumerate((1, 2, 1), 4):
            target = uuid(id_) if answer == "delete" else "ann"
            topology.submit([order("s", number, answer, target=target)])
        await topology.settle()
        assert sorted(notices(topology)) == sorted(
            (uuid(id_), code) for id_ in (1, 2) for code in (Code.HELD, Code.REJECTED)
        )
        assert held(topology) == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_author_of_a_comment_that_nobody_answers_is_told_after_an_hour(restarted: bool) -> None:
    """With the next that is said on the stream; approving it then is a mistake, and said to be one."""
    async with driver() as topology:
        topology.submit([HOLDING, comment("s", 1, text="heck")])
        await topology.settle()
        topology.advance(HELD_SECONDS)
        topology.submit([comment("s", 2)])
        await topology.settle()
        assert held(topology) == [uuid(1)]
        if restarted:
            await topology.crash("moderate", partition_of("s", PARTITIONS))
        topology.advance(1)
        topology.submit([comment("s", 3), order("s", 4, "approve", target=uuid(1))])
        await topology.settle()
        assert notices(topology) == [(uuid(1), Code.HELD), (uuid(1), Code.REJECTED), (uuid(4), Code.INVALID)]
        assert held(topology) == []
        assert audit(topology)[-1][:2] == ("approve", "refused")
        assert ids(topology)["s"] == [uuid(900), uuid(2), uuid(3)]


async def test_what_was_taken_away_meanwhile_is_neither_pinned_nor_held() -> None:
    """It was looked up before that; the same for all of a user's."""
    async with driver() as topology:
        first, second = comment("s", 1), comment("s", 2, user="bo")
        topology.submit([first, second])
        topology.advance(1)
        topology.submit([order("s", 3, "delete", target=uuid(1))])
        topology.submit([order("s", 4, "clear", target="bo")])
        for number, (type_, about) in enumerate(product(("pin", "hold"), (first, second)), 5):
            topology.submit([order("s", number, type_, about=about)])
        await topology.settle()
        assert [row[1] for row in audit(topology)] == ["applied"] * 2 + ["refused"] * 4


async def test_whom_the_creator_appointed_takes_part_as_a_moderator() -> None:
    """With a viewer's token: their comments are marked so, as long as they are appointed."""
    appointed = {"moderators": ["mo"]}
    async with driver() as topology:
        topology.submit([order("s", 1, "open", settings={"creator": "cara"}), comment("s", 2, user="mo")])
        topology.submit([order("s", 3, "settings", settings=appointed), comment("s", 4, user="mo")])
        topology.submit([comment("s", 5, user="cara"), comment("s", 6, user="vi")])
        topology.submit([order("s", 7, "settings", settings={"moderators": []}), comment("s", 8, user="mo")])
        await topology.settle()
        roles = [
            (row["user_id"], row["role"])
            for segment in topology.records("comments.sequenced")
            for row in segment["events"]
            if row["type"] == "comment"
        ]
        assert roles == [
            ("mo", "viewer"), ("mo", "moderator"), ("cara", "creator"), ("vi", "viewer"), ("mo", "viewer"),
        ]  # fmt: skip


async def test_a_pin_shows_its_comment_to_all() -> None:
    """Whatever was sampled away; the audit keeps no text."""
    async with driver() as topology:
        shown = comment("s", 1, text="read this")
        topology.submit([shown, order("s", 2, "pin", about=shown)])
        await topology.settle()
        [pin] = [
            row
            for segment in topology.records("comments.fanout")
            for row in segment["events"]
            if row["type"] == "pin"
        ]
        assert (pin["mask"], pin["command"]["comment"]["text"]) == (-1, "read this")
        assert "comment" not in topology.records("moderation.audit")[-1]["command"]


async def test_a_held_comment_has_one_outcome_however_often_it_is_sent_or_approved() -> None:
    """Repeats while it waits and after the approval, and a second approval, change nothing."""
    async with driver() as topology:
        bad = comment("s", 1, text="heck")
        topology.submit([HOLDING, bad, bad, order("s", 3, "approve", target=uuid(1)), bad])
        topology.submit([order("s", 4, "approve", target=uuid(1)), bad])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(900), uuid(1)]
        assert notices(topology) == [(uuid(1), Code.HELD)]
        assert held(topology) == []


@pytest.mark.parametrize("answer", ["delete", "clear"])
async def test_a_held_comment_that_is_taken_away_cannot_be_approved(answer: str) -> None:
    """A delete of its id, or a clear of its author, empties the queue for good."""
    target = uuid(1) if answer == "delete" else "ann"
    async with driver() as topology:
        topology.submit([HOLDING, comment("s", 1, text="heck"), order("s", 2, answer, target=target)])
        topology.submit([order("s", 3, "approve", target=uuid(1)), comment("s", 1, text="heck")])
        await topology.settle()
        assert uuid(1) not in ids(topology)["s"]
        assert held(topology) == []


@pytest.mark.parametrize("plan", ["crash_before", "crash_behind"])
async def test_an_approval_happens_once_wherever_a_crash_falls(plan: str) -> None:
    """Every append of the run is crashed at in turn; what is shown and told is the same each time."""

    async def run(at: int | None) -> tuple[Any, Any, int]:
        async with driver() as topology:
            if at is not None:
                setattr(topology.log, plan, at)
            bad = comment("s", 1, text="heck")
            for items in (
                [HOLDING, bad],
                [order("s", 2, "hold", target="bob"), comment("s", 3, user="bob")],
                [order("s", 4, "approve", target=uuid(1)), bad],
                [order("s", 5, "approve", target=uuid(3))],
            ):
                topology.submit(items)
                while True:
                    try:
                        await topology.settle()
                        await topology.checkpoint()
                        break
                    except CrashError:
                        await end_all(topology)
            return ids(topology)["s"], sorted(set(notices(topology))), topology.log.appends

    shown, told, appends = await run(None)
    assert shown == [uuid(900), uuid(2), uuid(1), uuid(3)]
    for at in range(1, appends + 1):
        assert (await run(at))[:2] == (shown, told), f"{plan} append {at}"


async def test_the_queue_is_bounded() -> None:
    """Beyond 200 waiting comments the next is refused, and its author told so."""
    async with driver() as topology:
        topology.submit([order("s", 900, "settings", settings={"review": True})])
        topology.submit([comment("s", n, user=f"u{n}") for n in range(201)])
        await topology.settle()
        assert len(held(topology)) == 200
        assert notices(topology)[-1][1] == Code.MODERATED or (uuid(200), Code.MODERATED) in notices(topology)


@pytest.mark.parametrize(
    ("setting", "item", "code"),
    [
        ({"members_only": True}, comment("s", 1), Code.MEMBERS_ONLY),
        ({"members_only": True, "members": ["ann"]}, comment("s", 1), None),
        ({"members_only": True}, comment("s", 1, role="creator"), None),
        ({"emote_only": True}, comment("s", 1), Code.EMOTE_ONLY),
        ({"emote_only": True}, comment("s", 1, text="🎉 :party:"), None),
        ({"links": "reject"}, comment("s", 1, text="see https://x.example"), Code.LINKS),
        ({"links": "hold"}, comment("s", 1, text="see evil.com"), Code.HELD),
        ({"links": "reject"}, comment("s", 1, text="see https://x.example", role="moderator"), None),
        ({"capitals_percent_max": 70}, comment("s", 1, text="WHY IS THIS SO"), Code.CAPITALS),
        ({"chars_max": 3}, comment("s", 1), Code.TOO_LONG),
        ({"words": ["*hell*"]}, comment("s", 1, text="shellac"), Code.MODERATED),
        ({"review": True}, comment("s", 1), Code.HELD),
        ({"review": True}, comment("s", 1, role="creator"), None),
    ],
)
async def test_a_setting_binds_the_next_comment(setting: Any, item: Item, code: Code | None) -> None:
    """Each mode and manner refuses with its own code, or lets pass; moderators are exempt."""
    async with driver() as topology:
        topology.submit([order("s", 900, "settings", settings=setting), item])
        await topology.settle()
        assert notices(topology) == ([] if code is None else [(uuid(1), code)])
        assert (uuid(1) in ids(topology)["s"]) == (code is None)


async def test_floods_and_repeats_are_refused_for_a_while() -> None:
    """The third comment in ten seconds, and the same text in a minute, and not later."""
    manners = {"flood_comments": 2, "flood_seconds": 10, "repeat_seconds": 60}
    async with driver() as topology:
        topology.submit([order("s", 900, "settings", settings=manners)])
        topology.submit([comment("s", n, text=f"text {n}") for n in (1, 2, 3)])
        topology.advance(11)
        topology.submit([comment("s", 4, text="Text  2")])
        topology.advance(61)
        topology.submit([comment("s", 5, text="text 2")])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(900), uuid(1), uuid(2), uuid(5)]
        assert notices(topology) == [(uuid(3), Code.RATE_LIMITED), (uuid(4), Code.REPEATED)]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (order("s", 2, "ban", target="cat"), "invalid: the creator of a stream cannot be banned from it"),
        (order("s", 2, "ban"), "invalid: ban needs a user"),
        (order("s", 2, "ban", role="viewer", target="bob"), "not_moderator"),
        (order("s", 2, "timeout", target="bob"), "invalid: a timeout needs seconds"),
        (order("s", 2, "approve", target=uuid(7)), "invalid: no such comment waits for a moderator"),
        (order("s", 2, "settings", settings={"words": ["a"]}), "invalid: words: rule 1: one letter"),
        (
            order("s", 2, "settings", settings={"words": ["/(?=x)y/"]}),
            "invalid: words: rule 1: not a pattern",
        ),
        (order("s", 2, "settings", settings={"colour": 1}), "invalid: colour: there is no such setting"),
        (
            order("s", 2, "settings", settings={"slow_mode_seconds": True}),
            "invalid: slow_mode_seconds: a whole",
        ),
        (
            order("s", 2, "settings", role="moderator", settings={"moderators": ["eve"]}),
            "not_moderator: only the creator",
        ),
        (order("s", 2, "open", settings={"creator": "eve"}), "stream_exists"),
        (
            order("s", 2, "open", role="creator", settings={"creator": "cat"}),
            "not_moderator: only the platform",
        ),
    ],
)
async def test_what_may_not_be_is_refused_with_the_reason_and_audited(item: Item, why: str) -> None:
    """Bad arguments and people who may not: the rules stay as they were."""
    async with driver() as topology:
        topology.submit([order("s", 1, "open", settings={"creator": "cat"}), item])
        await topology.settle()
        _, outcome, refusal = audit(topology)[-1]
        assert outcome == "refused"
        assert (refusal or "").startswith(why)
        rules = topology.state("moderate", partition_of("s", PARTITIONS)).rules["s"]
        assert (rules.creator, rules.bans, rules.words, rules.moderators) == ("cat", {}, (), set())


async def test_a_user_on_hold_waits_until_it_is_lifted() -> None:
    """«hold» sends what a user writes to the queue; «unban» ends it."""
    async with driver() as topology:
        topology.submit([order("s", 1, "hold", target="ann"), comment("s", 2), comment("s", 3, user="bob")])
        topology.submit([order("s", 4, "unban", target="ann"), comment("s", 5)])
        await topology.settle()
        assert held(topology) == [uuid(2)]
        assert [id_ for id_ in ids(topology)["s"] if id_ in {uuid(3), uuid(5)}] == [uuid(3), uuid(5)]


def policy(type_: str, target: str, **more: Any) -> dict[str, Any]:
    return {"items": [order(EVERYWHERE, 1, type_, target=target, **more)]}


async def test_a_platform_ban_binds_on_every_stream() -> None:
    """Heard from moderation.policy, by every partition, and lifted the same way."""
    async with driver() as topology:
        for key in "abcd":
            topology.tell("moderation.policy", key, policy("ban", "ann"))
        topology.submit([comment(stream, n) for n, stream in enumerate("abcd")])
        await topology.settle()
        topology.submit([comment(stream, 10 + n) for n, stream in enumerate("abcd")])
        await topology.settle()
        assert {code for _, code in notices(topology)} == {Code.BANNED}
        for key in "abcd":
            topology.tell("moderation.policy", key, policy("unban", "ann"))
        topology.submit([comment("a", 20)])
        await topology.settle()
        topology.submit([comment("a", 21)])
        await topology.settle()
        assert uuid(21) in ids(topology)["a"]


def test_a_platform_list_holds_when_all_of_its_parts_are_there() -> None:
    """Parts of two versions make no list; the empty list takes it away."""
    state = Policy(("darn",))

    def take(part: Any) -> bool:
        items = [order(EVERYWHERE, 1, "words", target="en", settings=part.to_value())]
        return state.take(items, 0)

    long = [f"word{number:06}" for number in range(30_000)]
    first, *others = parts_of(long)
    assert len(others) >= 1
    assert not take(parts_of([])[0])  # there was none
    assert not take(first)
    assert merged(state.lists) == ("darn",)
    assert [take(part) for part in others][-1]
    assert merged(state.lists) == ("darn", *long)
    assert not any(take(part) for part in (first, *others))
    assert take(parts_of([])[0])
    assert merged(state.lists) == ("darn",)


class Slow:
    """Answers by what the text says; «never» is never answered."""

    async def classify(self, subjects: Sequence[Subject]) -> Sequence[str]:
        if any(subject.text == "never" for subject in subjects):
            await asyncio.Event().wait()
        return [subject.text if subject.text in {"hold", "reject"} else "allow" for subject in subjects]

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("when_late", "codes"), [("allow", []), ("hold", [Code.HELD]), ("reject", [Code.MODERATED])]
)
async def test_the_classifier_decides_in_time_or_the_declared_answer_does(
    when_late: str, codes: list[Code]
) -> None:
    """Its opinions are verdicts; what it is late with gets the declared one, and the order stays."""
    async with driver(Panel(Slow(), deadline_ms=20, when_late=when_late, concurrency=2)) as topology:
        topology.submit([comment("s", n, text=text) for n, text in enumerate(["ok", "hold", "reject"], 1)])
        await topology.settle(10_000_000)
        assert notices(topology) == [(uuid(2), Code.HELD), (uuid(3), Code.MODERATED)]
        topology.submit([comment("s", 4, text="never"), comment("s", 5, text="never")])
        await topology.settle(10_000_000)
        told = [code for id_, code in notices(topology) if id_ == uuid(4)]
        assert told == codes
        shown = ids(topology)["s"]
        assert shown == [uuid(1), uuid(4), uuid(5)] if when_late == "allow" else shown == [uuid(1)]


@settings(max_examples=40, deadline=None)
@given(st.data())
async def test_rules_read_back_from_the_table_are_the_same(data: st.DataObject) -> None:
    """Whatever commands were applied, the checkpoint has all of it."""
    from agents.core.commands import command
    from agents.core.rules import Rules
    from agents.core.verdicts import Platform, hold, judge

    rules, platform = Rules(), Platform(WordList(()))
    for number in range(data.draw(st.integers(1, 12))):
        type_ = data.draw(
            st.sampled_from(["ban", "shadow", "hold", "settings", "slow", "pin", "end", "comment"])
        )
        chosen = data.draw(
            st.sampled_from([{"words": ["heck"]}, {"review": True}, {"links": "hold"}, {"members": ["z"]}])
        )
        item: Any = order("s", number, type_, target="ann", seconds=9, settings=chosen)
        item |= {"offset": number, "index": 0, "at": number, "text": "heck"}
        if type_ == "comment":
            item |= {"command": None, "role": "viewer"}
            verdict = judge(rules, platform, item)
            if verdict.verdict == "hold":
                hold(rules, item, verdict)
        else:
            command(rules, item)
    again = Rules.from_json(rules.to_json(), rules.origin)
    assert again.to_json() == rules.to_json()
    assert json.loads(rules.to_json())["bans"] == {
        u: [b.kind, b.until, b.reason] for u, b in again.bans.items()
    }


async def test_a_platform_list_is_swapped_in_whole_between_two_steps() -> None:
    """Made in a thread: what is said meanwhile is judged by the list before, then by the new one."""
    async with driver() as topology:
        topology.submit([comment("s", 1, text="heck")])
        await topology.settle()
        for part in parts_of(["heck", "/(?=bad)x/"]):  # what is no rule is left out
            item = order(EVERYWHERE, 1, "words", target="en", settings=part.to_value())
            topology.tell("moderation.policy", "s", {"items": [item]})
        partition = partition_of("s", PARTITIONS)
        topology.submit([comment("s", 2, text="hello")])
        await topology.settle()
        platform = topology.state("moderate", partition).platform
        async with asyncio.timeout(20):
            while len(platform.words) < 2:
                await asyncio.sleep(0)
        topology.submit([comment("s", 3, text="h3ck"), comment("s", 4, text="darn"), comment("s", 5)])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(1), uuid(2), uuid(5)]

"""The client verbs as programs, against a real stack."""

import json
import signal
import subprocess
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.auth import Authenticator
from livecomments.exits import Exit
from livecomments.stack import state
from livecomments.stack.processes import is_alive
from schemas.settings import Auth
from tests.real import PORTS, UP_SECONDS, RealStack
from tests.servers import free_port

pytestmark = pytest.mark.integration
SHOWN_SECONDS = 30
STOPPED_SECONDS = 120


@pytest.fixture
def stream() -> str:
    return f"verbs-{uuid.uuid4().hex[:12]}"


def rows(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def log_of(path: Path, users: int, each: int, *, file: str = "log.jsonl") -> Path:
    """Write a log in which nobody says more than the burst that is allowed."""
    messages = [
        {"t_ms": 10 * n, "user": f"user-{n % users}", "text": f"message {n} 👋"} for n in range(users * each)
    ]
    found = path / file
    found.write_text("".join(json.dumps(row) + "\n" for row in messages), encoding="utf-8")
    return found


def test_token(stack: RealStack) -> None:
    """`token` prints a token alone, that says what was asked for and expires when it should."""
    done = stack.run(
        "token", "--user", "ana", "--stream", "s", "--role", "creator", "--ttl", "60", "--name", "Ana"
    )
    assert done.returncode == 0, done.stderr
    [token] = done.stdout.split()
    viewer = Authenticator(Auth()).verify(token)
    assert (viewer.user_id, viewer.name, viewer.role, viewer.stream_id) == ("ana", "Ana", "creator", "s")
    assert stack.run("token", "--user", "a\nb").returncode == Exit.USAGE
    assert stack.run("token", "--user", "ana", "--role", "king").returncode == Exit.USAGE


def test_send_and_tail(stack: RealStack, stream: str) -> None:
    """What `send` says it accepted, `tail` shows, under the same id, as whoever sent it."""
    first = stack.run("send", stream, "hello 👋", "--user", "ana", "--name", "Ana").stdout.strip()
    chosen = str(uuid.uuid4())
    second = json.loads(stack.run("send", stream, "again", "--user", "bo", "--id", chosen, "--json").stdout)
    assert second == {"id": chosen}
    repeated = stack.run("send", stream, "again", "--user", "bo", "--id", chosen)
    assert repeated.stdout.strip() == chosen  # accepted, and there once
    last = stack.run("send", stream, "the end", "--user", "ana").stdout.strip()
    shown = rows(stack.run("tail", stream, "--from-start", "--count", "3", "--json"))
    assert [row["id"] for row in shown] == [first, chosen, last]
    assert [row["seq"] for row in shown] == [1, 2, 3]
    assert shown[0]["user"] == {"id": "ana", "name": "Ana", "role": "viewer"}
    assert {row["type"] for row in shown} == {"comment"}
    lines = stack.run("tail", stream, "--count", "3").stdout.splitlines()
    assert "Ana" in lines[0]
    assert lines[0].endswith("hello 👋")


def test_since(stack: RealStack, stream: str) -> None:
    """`tail --since` goes on behind a position that `tail --json` showed."""
    for n in range(3):
        stack.run("send", stream, f"comment {n}")
    shown = rows(stack.run("tail", stream, "--count", "3", "--json", "--protobuf"))
    since = f"{shown[0]['epoch']}:{shown[0]['seq']}"
    after = rows(stack.run("tail", stream, "--since", since, "--count", "2", "--json", "--user", "ana"))
    assert after == shown[1:]
    assert stack.run("tail", stream, "--since", "nonsense").returncode == Exit.USAGE


@pytest.mark.parametrize("loop", [False, True])
def test_replay_log(stack: RealStack, stream: str, tmp_path: Path, loop: bool) -> None:
    """`replay-log` posts every message of a log, each author as a user of their own; `tail` has them all."""
    log = log_of(tmp_path, users=60, each=5)
    options = ["--loop", "--limit", "450"] if loop else []
    done = stack.run("replay-log", str(log), "--stream", stream, "--speed", "0", "--json", *options)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    count = 450 if loop else 300
    assert summary["read"] == summary["accepted"] == count, summary
    assert summary["refused"] == {}
    shown = rows(stack.run("tail", stream, "--from-start", "--count", str(count), "--json"))
    assert [row["seq"] for row in shown] == list(range(1, count + 1))
    said = Counter((row["user"]["id"], row["text"]) for row in shown)
    assert len(said) == 300
    assert said[("user-7", "message 7 👋")] == (2 if loop else 1)


def test_replay_refusals(stack: RealStack, stream: str, tmp_path: Path) -> None:
    """An author who says too much at once is refused as everybody is, and that is counted."""
    log = log_of(tmp_path, users=1, each=30)
    done = stack.run("replay-log", str(log), "--stream", stream, "--speed", "0", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 0
    assert summary["refused"]["rate_limited"] >= 1
    assert summary["accepted"] + summary["refused"]["rate_limited"] == summary["read"] == 30


def test_bad_log(stack: RealStack, stream: str, tmp_path: Path) -> None:
    """A log with a bad line is refused whole, before anything is said."""
    log = log_of(tmp_path, users=1, each=3)
    log.write_text(log.read_text() + "nonsense\n")
    done = stack.run("replay-log", str(log), "--stream", stream, "--speed", "0")
    assert done.returncode == Exit.BAD_FILE
    assert f"{log}, line 4" in done.stderr
    assert done.stdout == ""


def eventually(condition: Callable[[], bool]) -> bool:
    """Ask a few times: a command is durable when it is answered, and in force a little later."""
    return any(condition() for _ in range(10))


def shown(stack: RealStack, stream: str) -> dict[str, str]:
    """Return the comments that may be read, text → id."""
    with urllib.request.urlopen(f"http://{stack.api}/v1/streams/{stream}/comments", timeout=10) as answer:
        return {each["text"]: each["id"] for each in json.load(answer)["comments"]}


def test_mod(stack: RealStack, stream: str) -> None:
    """What a moderator does binds: bans, words, slow mode, deletes, pins, the end; and it is in the audit."""
    comment = stack.run("send", stream, "first", "--user", "eve").stdout.strip()

    def mod(*arguments: str) -> str:
        done = stack.run("mod", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(words: str, user: str, text: str = "hi") -> bool:
        done = stack.run("send", stream, text, "--user", user)
        return done.returncode == Exit.REFUSED and words in done.stderr

    answer = json.loads(mod("ban", stream, "eve", "--reason", "rude", "--json"))
    assert answer["done"] == "ban"
    assert eventually(lambda: refused("banned", "eve"))
    mod("unban", stream, "eve")
    mod("timeout", stream, "bo", "600")
    assert eventually(lambda: refused("timed out", "bo"))
    mod("words", stream, "gadzooks", "zounds")
    assert mod("words", stream, "--json") == json.dumps({"words": ["gadzooks", "zounds"]}) + "\n"
    mod("slow", stream, "600")
    assert eventually(lambda: refused("Slow mode", "cy"))
    mod("pin", stream, comment)
    mod("hold", stream, "--comment", comment, "--reason", "hm")
    assert eventually(lambda: comment in mod("held", stream))
    mod("approve", stream, comment)
    assert eventually(lambda: "first" in shown(stack, stream))
    again = shown(stack, stream)["first"]
    assert again != comment
    mod("delete", stream, again, "--reason", "no")
    mod("end", stream)
    assert eventually(lambda: refused("ended", "ana"))
    audit = [json.loads(line) for line in mod("audit", stream, "--json").splitlines()]
    done = [row["action"] for row in audit]
    wanted = ["ban", "unban", "timeout", "settings", "slow", "pin", "hold", "approve", "delete", "end"]
    assert done == wanted
    assert "ban" in mod("audit", stream, "--limit", "10").splitlines()[0]


def test_a_list_of_100_000_words_for_all_streams(stack: RealStack, stream: str, tmp_path: Path) -> None:
    """From a file through the API to the stage: a listed word, disguised, is caught; the rest goes on."""
    listed = tmp_path / "words.txt"
    listed.write_text("# made\n" + "".join(f"zorb{number:06d}ung\n" for number in range(100_000)))
    name = f"big-{stream[-6:]}"
    done = stack.run("mod", "words", "--platform", name, "--file", str(listed), "--json", seconds=120)
    assert json.loads(done.stdout) == {"list": name, "rules": 100_000}, done.stderr

    def caught() -> bool:
        mark = uuid.uuid4().hex[:8]
        for number, text in enumerate((f"{mark} ZORB099999UNG!", f"{mark} fine")):
            assert stack.run("send", stream, text, "--user", f"{mark}-{number}").returncode == 0
        end = time.monotonic() + SHOWN_SECONDS
        while f"{mark} fine" not in (now := shown(stack, stream)):
            assert time.monotonic() < end
            time.sleep(0.05)
        return not any(text.startswith(f"{mark} Z") for text in now)

    try:
        assert eventually(caught)
    finally:
        stack.run("mod", "words", "--platform", name, "--none")
    for wrong in ((), ("--platform", name), ("--platform", name, "word", "--none")):
        assert stack.run("mod", "words", *wrong).returncode == Exit.USAGE


def test_not_a_moderator(stack: RealStack, stream: str) -> None:
    """A moderator of no stream is refused with the code for it, and so is nonsense."""
    done = stack.run("mod", "delete", stream, "not-an-id")
    assert done.returncode == Exit.REFUSED
    assert done.stderr.count("\n") == 1


def test_nothing_runs(tmp_path: Path) -> None:
    """Where no stack runs, every client verb says so with its code."""
    nowhere = RealStack(free_port(PORTS), tmp_path)
    log = log_of(tmp_path, users=1, each=1)
    for verb in (
        ("send", "s", "hi"),
        ("mod", "slow", "s", "5"),
        ("replay-log", str(log), "--stream", "s"),
    ):
        done = nowhere.run(*verb)
        assert done.returncode == Exit.NOT_RUNNING, done.stderr
        assert done.stderr.count("\n") == 1
        assert "is the stack up?" in done.stderr


def test_demo_on_a_running_stack(stack: RealStack) -> None:
    """`demo` plays its crowd into a stack that runs, and leaves it running."""
    with stack.started("demo", "--crowd", "--stream", "shared-demo", "--json") as demo:
        assert demo.stdout is not None
        told = json.loads(demo.stdout.readline())
        assert told["page"] == f"http://{stack.edge}/?stream=shared-demo"
        shown = rows(stack.run("tail", "shared-demo", "--count", "20", "--json"))
        assert len({row["user"]["id"] for row in shown}) > 5
        demo.send_signal(signal.SIGINT)
        assert demo.wait(STOPPED_SECONDS) == 0
    assert json.loads(stack.run("status", "--json").stdout)["ready"]


def test_demo_alone(tmp_path: Path) -> None:
    """`demo` with nothing there starts everything, shows a crowd, and Ctrl-C leaves nothing behind."""
    alone = RealStack(free_port(PORTS), tmp_path / "data")
    alone.data.mkdir()
    with alone.started("demo", "--crowd", "--json") as demo:
        assert demo.stdout is not None
        told = json.loads(demo.stdout.readline() or "{}")
        if not told:
            assert demo.stderr is not None
            pytest.fail(f"demo ended: {demo.stderr.read()}")
        found = state.running(alone.data)
        assert found is not None
        with urllib.request.urlopen(told["page"], timeout=UP_SECONDS) as page:  # noqa: S310 - ours
            assert b"<live-comments" in page.read()
        assert len(rows(alone.run("tail", "demo", "--count", "5", "--json"))) == 5
        demo.send_signal(signal.SIGINT)
        assert demo.wait(STOPPED_SECONDS) == 0
    assert state.read(alone.data) is None
    assert not any(is_alive(each) for each in found.processes())

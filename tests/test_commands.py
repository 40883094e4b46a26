"""Every command that a document shows is run as it is typed, or, where that takes too long, parsed.

A command is a line of a shell block, an indented line, or inline code. :data:`RUN` and :data:`STARTED` are
carried out on the shared stack, found by its data directory as a reader's is. The rest is given to the real
parser, and :data:`PARSED` says why it is not run. A command that no table names fails the test.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from livecomments.cli import app
from livecomments.web import find_node
from tests.real import ROOT, RealStack, environment
from tests.stack.helpers import wait_until

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("web/*.md")]
)
SECONDS = 60
RUN = {
    "--help": 0, "status": 0, "send": 0, "token": 0, "doctor": 0, "capacity": 0, "topics apply": 0,
    "topology": 0, "migrate": 0, "revoke": 0, "erase": 0, "trace": 0, "export": 0,
}  # fmt: skip
"""Verb → the exit code that it has on a running stack."""
STARTED = {"tail": "live", "top": "stage"}
"""Verb that goes on until it is ended → what it has said by then."""
PARSED = {
    "archive": "tests/archive/test_verbs.py runs its verbs",
    "up": "the fixture of the shared stack runs it",
    "down": "the same",
    "demo": "tests/client/test_verbs.py runs it",
    "stage": "a process of the stack",
    "edge": "a process of the stack",
    "api": "a process of the stack",
    "bench": "minutes long; tests/bench runs small ones",
    "loadtest": "tests/loadtest/test_run.py runs a small one",
    "nemesis": "minutes long, and breaks its stack; tests/nemesis/test_smoke.py runs a small one",
    "simulate": "minutes long; tests/simulate runs small ones",
    "verify": "tests/verify/test_commands.py runs it",
    "replay-log": "tests/client/test_verbs.py runs it",
    "mod": "a mention of all of its verbs; tests/client/test_verbs.py runs them",
    "topics raise-epoch": "ends every stream's history; tests/integration/test_whole.py's stacks do it",
}
STAND_INS = {
    "COMMENT_ID": "", "STREAM": "documents", "S": "documents", "U": "nobody-at-all", "N": "3",
    "EPOCH:SEQ": "e-0:5",
}  # fmt: skip
"""What a reader puts in place of the document's names; "": a comment of the test's own."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A command in a document; ``mention``: inline code, which may name a verb without its arguments."""

    document: str
    words: tuple[str, ...]
    mention: bool

    @property
    def verb(self) -> str:
        two = " ".join(self.words[1:3])
        return two if two in RUN or two in PARSED else self.words[1]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


def shown() -> Iterator[Shown]:
    for path in DOCUMENTS:
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        for line in lines_of(text):
            if words := words_of(line):
                yield Shown(name, words, mention=False)
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"`((?:\.venv/bin/)?livecomments -?[a-z-][^`]*)`", prose):
            if words := words_of(code):
                yield Shown(name, words, mention=True)


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of shell blocks and indented ones, continued lines joined."""
    blocks = re.findall(r"^```(?:sh|bash)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks += re.findall(r"^    (?:.*)$", text, re.MULTILINE)
    for block in blocks:
        yield from block.replace("\\\n", " ").splitlines()


def words_of(line: str) -> tuple[str, ...]:
    """Return a command's words; none where it is none of ours. Optional parts are taken, «…» ends it."""
    line = line.strip().replace("[", "").replace("]", "").replace("\n", " ")
    if not re.match(r"(\.venv/bin/)?livecomments -?[a-z-]", line):
        return ()
    words = shlex.split(line.partition("…")[0], comments=True)
    return ("livecomments", *(STAND_INS.get(word, word) if word.isupper() else word for word in words[1:]))


SHOWN = sorted(set(shown()), key=str)


class UsageError(Exception):
    """The parser refused it."""


def parse(words: tuple[str, ...], *, mention: bool) -> None:
    """Give words to the real parser, command for command; a mention may end at any verb."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command)
    rest = [word or "01a214bb-d212-72aa-a750-03d4671a1df4" for word in words[1:]]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        verb, command = rest[0], command.get_command(context, rest.pop(0))
        assert command is not None, f"there is no {verb}"
    if rest == ["--help"] or (not rest and mention):
        return
    try:
        command.make_context(words[-1], rest)
    except Exception as error:
        raise UsageError(str(error)) from error


@pytest.mark.parametrize("command", SHOWN, ids=str)
def test_a_command_is_in_a_table_and_parses(command: Shown) -> None:
    """It is run, or there is a reason why not; and the program knows every word of it."""
    assert command.verb in RUN or command.verb in STARTED or command.verb in PARSED, command.verb
    parse(command.words, mention=command.mention)


def test_the_parser_refuses() -> None:
    """What the program does not know is refused here, too."""
    for words in (
        "send",
        "capacity --viewers many --streams 1",
        "tail demo --nothing",
        "bench edge --sockets",
    ):
        with pytest.raises(UsageError):
            parse(("livecomments", *words.split()), mention=False)
    with pytest.raises(AssertionError, match="there is no dance"):
        parse(("livecomments", "dance"), mention=True)


def test_there_are_commands() -> None:
    """The documents were read: this test does not pass on nothing."""
    assert len(SHOWN) > 30
    assert {each.verb for each in SHOWN} >= {"up", "send", "tail", "doctor", "trace", "capacity"}


def is_whole(each: Shown) -> bool:
    """Whether it is a command, and not the mention of a verb that needs arguments."""
    try:
        parse(each.words, mention=False)
    except UsageError:
        return not each.mention
    return True


RUNNABLE = [
    each for each in {each.words: each for each in SHOWN}.values() if each.verb in RUN and is_whole(each)
]


@pytest.fixture(scope="module")
def comment_id(stack: RealStack) -> str:
    """Return a comment's id; the streams that documents export have one, and the archive has them."""
    ids = [stack.run("send", name, "hello").stdout.strip() for name in ("concert", "interview", "documents")]

    def archived() -> bool:
        found = json.loads(stack.run("trace", left[-1], "--json").stdout or "{}")
        if [hop["has"] for hop in found.get("hops", []) if hop["name"].startswith("archive")] == [True]:
            left.pop()
        return not left

    left = list(ids)
    wait_until(archived)
    return ids[-1]


@pytest.mark.integration
@pytest.mark.parametrize("command", RUNNABLE, ids=str)
def test_a_command_runs(command: Shown, stack: RealStack, comment_id: str, tmp_path: Path) -> None:
    """As typed, where the stack's data directory is known as a reader's is."""
    words = [word or comment_id for word in command.words[1:]]
    done = subprocess.run(
        [sys.executable, "-m", "livecomments", *words], cwd=tmp_path, input="y\n", capture_output=True,
        env=environment(LIVECOMMENTS_DATA=str(stack.data)), text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == RUN[command.verb], done.stdout + done.stderr
    assert done.stdout


@pytest.mark.integration
@pytest.mark.parametrize("verb", sorted(STARTED))
def test_a_command_that_goes_on(verb: str, stack: RealStack, tmp_path: Path) -> None:
    """`tail demo` and `top` show something at once, and go on."""
    words = next(each.words[1:] for each in SHOWN if each.verb == verb and len(each.words) < 4)
    command = [sys.executable, "-m", "livecomments", *words]
    first_line(command, tmp_path, STARTED[verb], environment(LIVECOMMENTS_DATA=str(stack.data)))


@pytest.mark.integration
def test_curl_of_the_readme(stack: RealStack, tmp_path: Path) -> None:
    """The lines that post with curl post, and the comment comes back."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    block = re.search(r"^TOKEN=.*?comments$", readme(), re.DOTALL | re.MULTILINE)
    assert block is not None
    program = f"{shlex.quote(sys.executable)} -m livecomments"
    script = block[0].replace(".venv/bin/livecomments", program).replace("127.0.0.1:8001", stack.api)
    bash = [str(shutil.which("bash")), "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        bash, cwd=tmp_path, capture_output=True, text=True,
        env=environment(LIVECOMMENTS_DATA=str(stack.data)), timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r'"id":"[0-9a-f-]{36}"', done.stdout), done.stdout
    heard = stack.run("tail", "demo", "--json", "--count", "1", "--from-start")
    assert '"comment"' in heard.stdout


@pytest.mark.integration
def test_python_of_the_readme(stack: RealStack, tmp_path: Path) -> None:
    """The Python example says hello and hears it."""
    code = block_of("python").replace("127.0.0.1:8000", stack.edge).replace("127.0.0.1:8001", stack.api)
    head, body = code.split("\n\n", 1)
    inner = "\n".join(f"    {line}" for line in body.splitlines())
    name, token = made_token(stack)
    source = f"import asyncio\n{head}\ntoken = {token!r}\nasync def main():\n{inner}\nasyncio.run(main())\n"
    assert '"demo"' in source
    command = [sys.executable, "-u", "-c", source.replace('"demo"', repr(name))]
    first_line(command, tmp_path, ": hello", environment())


@pytest.mark.integration
def test_javascript_of_the_readme(stack: RealStack, tmp_path: Path) -> None:
    """The JavaScript example says hello and hears it, on the official SDK under node."""
    modules = ROOT / "web" / "node_modules"
    if not (modules / "centrifuge").is_dir():
        pytest.skip("needs web/node_modules: make setup")
    (tmp_path / "node_modules").symlink_to(modules)
    name, token = made_token(stack)
    code = block_of("js").replace("127.0.0.1:8000", stack.edge).replace("stream:demo", f"stream:{name}")
    (tmp_path / "chat.mjs").write_text(f"const token = {token!r};\n" + hoisted(code), encoding="utf-8")
    node = [*find_node().node, "--experimental-websocket", "chat.mjs"]
    first_line(node, tmp_path, "hello", environment())


def hoisted(code: str) -> str:
    return "\n".join(sorted(code.splitlines(), key=lambda line: not line.startswith("import ")))


def made_token(stack: RealStack) -> tuple[str, str]:
    name = f"readme-{uuid.uuid4().hex[:8]}"
    return name, stack.run("token", "--user", "reader", "--stream", name).stdout.strip()


def first_line(command: list[str], directory: Path, wanted: str, environ: dict[str, str]) -> None:
    """Run until a line has the words; fails where it ends, or takes too long, without."""
    with subprocess.Popen(
        command, cwd=directory, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        assert process.stdout is not None
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                if wanted in line:
                    return
        finally:
            late.cancel()
            process.kill()
    raise AssertionError("".join(lines))


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def block_of(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", readme(), re.DOTALL | re.MULTILINE)
    assert found is not None, f"README.md has no block in {language}"
    return found[1]


def test_make_of_the_documents() -> None:
    """Every `make` target that a document names is one (`make -n` takes it)."""
    named = {
        target
        for path in DOCUMENTS
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named >= {"run", "test"}
    for target in named:
        done = subprocess.run(
            [str(shutil.which("make")), "-n", target],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS, env=dict(os.environ),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

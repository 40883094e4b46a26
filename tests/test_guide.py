"""The guide «Adding a stage» in `topology.md`, followed to the letter in a copy of the project."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.real import ROOT, environment

COPIED = ("agents", "edge", "livecomments", "schemas", "tests", "pyproject.toml", "topology.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "static", "node_modules")
LIMIT_SECONDS = 120
FRESH_TESTS = (
    "tests/agents/test_tally.py",
    "tests/test_topology_doc.py",
    "tests/schemas/test_compatibility.py",
)


class Block(NamedTuple):
    """A code block of the guide: what kind, and the file that it is named by."""

    file: str
    kind: str
    text: str


def blocks(guide: str) -> Iterator[Block]:
    """Yield the blocks in order; one that no file names is a command."""
    pattern = r"(?:^`([\w./-]+)`:\n)?^```(\w+)\n(.*?)^```$"
    for file, kind, text in re.findall(pattern, guide, re.MULTILINE | re.DOTALL):
        yield Block(file, kind, text)


def changed(text: str, diff: str) -> str:
    """Do what a block that shows a change says; the place where must be the only one."""
    lines = [(line[:1] or " ", line[1:]) for line in diff.splitlines()]
    old = "".join(f"{line}\n" for sign, line in lines if sign != "+")
    new = "".join(f"{line}\n" for sign, line in lines if sign != "-")
    found = [place.start() for place in re.finditer(f"^{re.escape(old)}", text, re.MULTILINE)]
    assert len(found) == 1, f"{len(found)} places have:\n{old}"
    return text[: found[0]] + new + text[found[0] + len(old) :]


def guide_of(text: str) -> str:
    """Return the section."""
    return text.partition("\n## Adding a stage\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which the guide was followed."""
    folder = tmp_path_factory.mktemp("guide")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(source, folder / name)
    guide = guide_of((ROOT / "topology.md").read_text(encoding="utf-8"))
    for block in blocks(guide):
        path = folder / block.file
        if not block.file:
            assert block.kind == "bash"
            shell = shutil.which("bash") or "/bin/bash"
            subprocess.run([shell, "-euc", block.text], cwd=folder, check=True, timeout=LIMIT_SECONDS)
        elif block.kind == "diff":
            path.write_text(changed(path.read_text("utf-8"), block.text), encoding="utf-8")
        else:
            assert not path.exists(), f"{block.file} is there already"
            path.write_text(block.text, encoding="utf-8")
    return folder


def run(copy: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=copy,
        env=environment(PYTHONPATH=str(copy)),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_stage_runs(copy: Path) -> None:
    """Under the driver without a broker, and the documents' and schemas' own tests agree with it."""
    run(copy, "pytest", "-q", *FRESH_TESTS)


def test_its_code_is_as_clean_as_ours(copy: Path) -> None:
    """Style and types."""
    touched = ("agents/tally.py", "agents/topology.py", "schemas/topics.py", "livecomments/stack/plan.py")
    run(copy, "ruff", "check", *touched, "tests/agents/test_tally.py")
    run(copy, "ruff", "format", "--check", *touched)
    run(copy, "mypy", "agents/tally.py")


def test_its_stage_is_a_process_of_the_stack(copy: Path) -> None:
    """As the last line of the guide has it."""
    script = (
        "from livecomments.stack.plan import Shape, service_names;"
        "import agents.tally, sys;"
        "assert 'tally' in service_names(Shape(workers={'tally': 1}));"
        "assert agents.tally.__file__.startswith(sys.argv[1])"
    )
    command = [sys.executable, "-c", script, str(copy)]
    subprocess.run(
        command, cwd=copy, env=environment(PYTHONPATH=str(copy)), check=True, timeout=LIMIT_SECONDS
    )


def test_a_guide_that_does_not_fit_is_noticed() -> None:
    """A change whose place is gone, or is there twice, fails."""
    assert changed("a\nb\nc\n", " b\n+x\n") == "a\nb\nx\nc\n"
    assert changed("a\nb\n", "-b\n+x\n") == "a\nx\n"
    for text in ("a\n", "b\nb\n"):
        with pytest.raises(AssertionError, match="places have"):
            changed(text, " b\n+x\n")

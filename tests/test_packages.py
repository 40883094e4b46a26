"""What an installation has: every package is named, and so are the files that are not Python."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOPS = ("agents", "edge", "livecomments", "schemas")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


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

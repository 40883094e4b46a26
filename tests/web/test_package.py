"""The element as a package: what it exports is there, typed, and complete."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
PACKAGE = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
EXPORTS = PACKAGE["exports"]


def text(path: str) -> str:
    return (WEB / path).read_text(encoding="utf-8")


def reached(path: Path) -> Iterator[Path]:
    """Yield a module and all that it imports of ours."""
    seen, left = set(), [path]
    while left:
        module = left.pop()
        if module in seen:
            continue
        seen.add(module)
        yield module
        source = module.read_text(encoding="utf-8")
        left += [(module.parent / each).resolve() for each in re.findall(r'from "(\.[^"]+)"', source)]


@pytest.mark.parametrize("name", EXPORTS)
def test_what_is_exported_is_packed(name: str) -> None:
    """Every module that an entry needs, and its types, is among the package's files."""
    for module in reached((WEB / EXPORTS[name]["default"]).resolve()):
        path = str(module.relative_to(WEB))
        assert any(fnmatch(path, pattern) for pattern in PACKAGE["files"]), path
    assert (WEB / EXPORTS[name]["types"]).is_file()


@pytest.mark.parametrize("name", EXPORTS)
def test_what_is_exported_is_typed(name: str) -> None:
    """Types name exactly the values that the module exports."""
    pattern = r"^export (?:declare )?(?:async )?(?:function|const|class) (\w+)"
    values = set(re.findall(pattern, text(EXPORTS[name]["default"]), re.MULTILINE))
    typed = set(re.findall(pattern, text(EXPORTS[name]["types"]), re.MULTILINE))
    assert values == typed


def test_the_element_is_typed() -> None:
    """Every property and method of the element is in its types, and the other way round."""
    source, types = text("src/live-comments.js"), text("types/live-comments.d.ts")
    block = re.search(r"static properties = \{(.*?)\n  \};", source, re.DOTALL)
    assert block is not None
    properties = {each for each in re.findall(r"^    (\w+):", block[1], re.MULTILINE) if each[0] != "_"}
    lit = {
        "constructor",
        "connectedCallback",
        "disconnectedCallback",
        "scheduleUpdate",
        "willUpdate",
        "updated",
        "render",
    }
    methods = set(re.findall(r"^  (?:get |async )?([a-z]\w+)\([^)]*\) \{", source, re.MULTILINE)) - lit
    element = types.split("export class LiveComments")[1].split("\n}")[0]
    typed = set(re.findall(r"^  (?:readonly )?(\w+)[?(:]", element, re.MULTILINE))
    assert typed == properties | methods


def test_what_is_imported_for_its_effect_is_kept() -> None:
    """A bundler drops a module that is imported and not used, unless the package names it for its effect."""
    effects = {(WEB / each).resolve() for each in PACKAGE["sideEffects"]}
    for module in (WEB / "src").rglob("*.js"):
        for each in re.findall(r'^import "(\.[^"]+)"', module.read_text(encoding="utf-8"), re.MULTILINE):
            assert (module.parent / each).resolve() in effects, f"{each} in {module.name}"


def test_looks_are_documented() -> None:
    """Every variable and part that a site may use is in the package's README, and none that is not there."""
    styles, readme = text("src/styles.js"), text("README.md")
    variables = set(re.findall(r"--live-comments-([a-z-]+)", styles.split("*/")[1]))
    said = set(re.findall(r"`-(?:-live-comments-)?([a-z-]+)`", readme.split("## Looks")[1]))
    assert said == variables
    parts = set(re.findall(r'part="(\w+)"', "".join(path.read_text() for path in (WEB / "src").glob("*.js"))))
    line = re.search(r"Parts: ([^.]*)\.", readme)
    assert line is not None
    assert set(re.findall(r"`(\w+)`", line[1])) == parts


def test_nothing_is_one_sided() -> None:
    """The element mirrors on a right-to-left page: its styles name no left or right."""
    css = text("src/styles.js").split("css`")[1]
    assert not re.findall(r"(?:margin|padding|border|inset)?-?(?:left|right)\s*:", css)

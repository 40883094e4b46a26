"""When the page is built anew, and with what."""

from pathlib import Path

import pytest

from livecomments import web
from livecomments.exits import Exit, Failure
from livecomments.web import Node, Places, digest, ensure_page, find_node


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Lay out a page's sources and the tools to build it: shell scripts that note that they ran."""
    found = Places(tmp_path / "web", tmp_path / "static")
    (found.web / "src").mkdir(parents=True)
    found.static.mkdir()
    for name in ("build.js", "package.json", "package-lock.json", "src/page.js"):
        (found.web / name).write_text(name)
    return found


@pytest.fixture
def ran(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins for node and npm in place; return the file in which they note each run."""
    notes = tmp_path / "notes"
    notes.touch()
    node, npm = tmp_path / "node", tmp_path / "npm"
    node.write_text(f'#!/bin/sh\necho build >> {notes}\necho page > "$2/index.html"\n')
    npm.write_text(f"#!/bin/sh\necho install >> {notes}\nmkdir -p node_modules\n")
    for script in (node, npm):
        script.chmod(0o755)
    monkeypatch.setattr(web, "find_node", lambda: Node((str(node),), (str(npm),)))
    return notes


def test_built_once(places: Places, ran: Path) -> None:
    """A page is built when it is not there, and not again while its sources are the same."""
    assert ensure_page(places)
    assert not ensure_page(places)
    assert ran.read_text().split() == ["install", "build"]


def test_built_anew(places: Places, ran: Path) -> None:
    """Changed sources build it anew; changed packages are installed anew; file times do not matter."""
    ensure_page(places)
    (places.web / "src" / "page.js").write_text("changed")
    assert ensure_page(places)
    (places.web / "package-lock.json").write_text("changed")
    assert ensure_page(places)
    (places.web / "src" / "page.js").touch()
    assert not ensure_page(places)
    assert ran.read_text().split() == ["install", "build", "build", "install", "build"]


def test_lost_page(places: Places, ran: Path) -> None:
    """A page that somebody removed is built again."""
    ensure_page(places)
    (places.static / "index.html").unlink()
    assert ensure_page(places)


def test_no_sources(tmp_path: Path) -> None:
    """An installed package has no sources, and needs none."""
    assert not ensure_page(Places(tmp_path / "web", tmp_path / "static"))


def test_failed_build(places: Places, ran: Path, tmp_path: Path) -> None:
    """A build that fails is one line and what the tool said, and is tried again the next time."""
    (tmp_path / "node").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    for _ in range(2):
        with pytest.raises(Failure, match="could not be built: exit code 3") as caught:
            ensure_page(places)
        assert caught.value.details == ("broken",)


def test_failed_install(places: Places, ran: Path, tmp_path: Path) -> None:
    """Packages that cannot be fetched are said to be the network's fault, perhaps."""
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(Failure, match="is the npm registry reached"):
        ensure_page(places)


def test_digest_is_of_content(tmp_path: Path) -> None:
    """A digest changes with names and contents, not with the order in which files are found."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    assert digest(tmp_path, [one, two]) == digest(tmp_path, [two, one])
    before = digest(tmp_path, [one, two])
    one.write_text("2")
    two.write_text("1")
    assert digest(tmp_path, [one, two]) != before


def test_node_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node.js on the PATH the one that comes as a package is taken; without that, it is said."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    node = find_node()
    assert Path(node.node[0]).is_file()
    assert Path(node.npm[-1]).is_file()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Failure) as caught:
        find_node()
    assert caught.value.code == Exit.MISSING_PACKAGE

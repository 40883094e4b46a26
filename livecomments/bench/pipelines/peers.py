"""How each system is started; the peers' environments are made in the user's cache when first asked for.

Quix Streams gets a virtual environment of its own beside ours, whose packages it sees behind its own. Kafka
Streams is a Java program of ours, built with Maven where there is one.
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from livecomments.stack.packages import cache_directory
from schemas.codec import latest, schema_text
from schemas.topics import INGESTED, MODERATED, SEQUENCED

System = Literal["livecomments", "naive-faust", "quix", "kafka-streams"]
ROOT: Final = Path(__file__).parents[3]
QUIX: Final = "quixstreams>=3.23,<4"
INSTALL_SECONDS: Final = 600.0
ERROR_CHARS_MAX: Final = 300


class MissingError(Exception):
    """The machine's fault: a peer cannot be installed here; the words say why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker reads, writes and keeps its files. ``words``: the banned ones, a line each."""

    bootstrap: str
    directory: Path
    words: Path


@dataclass(frozen=True, slots=True)
class Worker:
    """How to run a system, where its output is, and which (group, topic) are committed when it is done.

    ``begins``: the topic that it writes to first, whose first record begins the measurement.
    """

    argv: Sequence[str]
    begins: str
    sink: str
    reads: Mapping[str, str]


def worker(system: System, place: Place) -> Worker:
    """Return how a system is run; installs a peer that is not there yet.

    Raises:
        MissingError: it cannot be installed.

    """
    return _SYSTEMS[system](place)


def _ours(_: Place) -> Worker:
    reads = {"livecomments-moderate": INGESTED.name, "livecomments-sequence": MODERATED.name}
    argv = (sys.executable, "-m", "livecomments.bench.pipelines.ours")
    return Worker(argv, MODERATED.name, SEQUENCED.name, reads)


def _naive_faust(place: Place) -> Worker:
    return _python(sys.executable, "naive_faust", place)


def _quix(place: Place) -> Worker:
    return _python(str(_quix_python()), "quix", place)


def _python(python: str, module: str, place: Place) -> Worker:
    name = f"bench-{module.replace('_', '-')}"
    arguments = _arguments(place, name)
    return Worker(
        (python, "-m", f"livecomments.bench.pipelines.{module}", *arguments),
        f"{name}-out",
        f"{name}-out",
        {name: INGESTED.name},
    )


def _arguments(place: Place, name: str) -> Sequence[str]:
    directory = place.directory / name
    return (place.bootstrap, name, INGESTED.name, f"{name}-out", str(place.words), str(directory))


def _kafka_streams(place: Place) -> Worker:
    target, name = _kafka_streams_built() / "target", "bench-kafka-streams"
    bootstrap, _, source, sink, words, directory = _arguments(place, name)
    schemas = []
    for record in ("ingested", "sequenced"):
        schemas.append(place.directory / f"{record}.avsc")
        schemas[-1].write_text(schema_text(record), encoding="utf-8")
    java, classpath = shutil.which("java") or "java", f"{target}/*:{target}/libraries/*"
    argv = (
        *(java, "-Xms512m", "-Xmx512m", "-cp", classpath, "livecomments.Pipeline"),
        *(bootstrap, name, source, sink, directory, words, *map(str, schemas), str(latest("sequenced").id)),
    )
    return Worker(argv, sink, sink, {name: INGESTED.name})


def _quix_python() -> Path:
    """Return the interpreter that has Quix Streams."""
    home = cache_directory().parent / "bench" / f"quix-{_digest(QUIX, sys.version, str(ROOT))}"
    python, done = home / "bin" / "python", home / "installed"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", QUIX], ROOT)
        site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
        # Behind its own: what both need, it has in the version it asked for.
        ours = (str(ROOT), sysconfig.get_path("purelib"))
        (site / "livecomments-bench.pth").write_text("\n".join(ours) + "\n", encoding="utf-8")
        done.touch()
    return python


def _kafka_streams_built() -> Path:
    """Return the directory of the built program."""
    sources = Path(__file__).parent / "kafka-streams"
    texts = [each.read_text(encoding="utf-8") for each in sorted(sources.rglob("*")) if each.is_file()]
    home = cache_directory().parent / "bench" / f"kafka-streams-{_digest(*texts)}"
    done = home / "installed"
    if not done.exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise MissingError("there is no mvn on the PATH; install Maven and a JDK of 17 or later")
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(sources, home)
        _run([maven, "--batch-mode", "--quiet", "package"], home)
        done.touch()
    return home


def _run(command: Sequence[str], directory: Path) -> None:
    try:
        ran = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"«{command[0]}»: {error}"[:ERROR_CHARS_MAX]) from error
    if ran.returncode:
        raise MissingError(f"«{' '.join(command)}»: {(ran.stderr or ran.stdout).strip()[-ERROR_CHARS_MAX:]}")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


_SYSTEMS: Final[Mapping[System, Callable[[Place], Worker]]] = {
    "livecomments": _ours,
    "naive-faust": _naive_faust,
    "quix": _quix,
    "kafka-streams": _kafka_streams,
}
SYSTEMS: Final = tuple(_SYSTEMS)

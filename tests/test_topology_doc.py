"""`topology.md` against the graph that the code builds."""

import re
from pathlib import Path

from agents.topology import NAMES, describe
from livecomments.graph import mermaid
from schemas.topics import ALL, Topic

TEXT = (Path(__file__).resolve().parents[1] / "topology.md").read_text(encoding="utf-8")


def test_the_graph_is_the_codes() -> None:
    """The Mermaid block is what `livecomments topology --format mermaid` prints."""
    block = re.search(r"```mermaid\n(.*?)\n```", TEXT, re.DOTALL)
    assert block is not None
    assert block[1] == mermaid(describe())


def test_every_topic_has_its_row() -> None:
    """Name, key, record and retention are those of the registry, and there is no row too many."""
    rows = re.findall(r"^\| `([\w.-]+)` \| (\w+) \| (\w+|–) \| ([\w ]+) \|$", TEXT, re.MULTILINE)
    assert rows == [(topic.name, topic.key, topic.record or "–", _kept(topic)) for topic in ALL]


def test_every_agent_has_its_row() -> None:
    """Each agent is named with its source, in the order of the dataflow."""
    found = re.findall(r"^\| `([\w/]+)` \| `([\w.]+)`", TEXT, re.MULTILINE)
    expected = [
        (node.agent if node.agent == node.stage else f"{node.stage}/{node.agent}", node.source)
        for node in describe()
    ]
    assert found == expected
    assert {node.stage for node in describe()} == set(NAMES)


def _kept(topic: Topic) -> str:
    if topic.compacted:
        return "compacted"
    hours = (topic.retention_ms or 0) // 3_600_000
    return f"{hours} h" if hours < 24 else f"{hours // 24} d"

"""Debian's Prometheus on a running stack: it scrapes every process, and panels and rules have data."""

import json
import math
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.real import RealStack
from tests.servers import free_port

PROMETHEUS = shutil.which("prometheus")
DOCKER = Path(__file__).resolve().parents[2] / "docker"
DASHBOARD = json.loads((DOCKER / "grafana/dashboards/livecomments.json").read_text(encoding="utf-8"))
PANELS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
READY_SECONDS = 60.0
BUSY = {"Connections", "Deliveries a second", "Windows a second", "Records a second by agent"}
"""What moves when comments are posted and watched."""
JOBS = {"edges": ("edge",), "api": ("api",)}
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus (Debian: prometheus)"),
]


class Server:
    """One Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **query: str) -> Any:
        """Return the answer's data."""
        where = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(where, timeout=10) as page:  # noqa: S310 - http
            answer = json.load(page)
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expression: str) -> list[float]:
        """Evaluate now; what is no number (nothing over nothing) is left out."""
        rows = self.ask("query", query=expression)["result"]
        numbers = [float(row["value"][1]) for row in rows]
        return [number for number in numbers if not math.isnan(number)]


def targets_of(stack: RealStack) -> dict[str, list[str]]:
    """Return job → addresses of the stack's processes, by the names of docker/prometheus/prometheus.yml."""
    found: dict[str, list[str]] = {"stages": [], "edges": [], "api": []}
    for service in json.loads(stack.run("status", "--json").stdout)["services"]:
        kind = service["name"].split("-")[0]
        if kind not in {"kafka", "redis", "cassandra"}:
            job = next((job for job, kinds in JOBS.items() if kind in kinds), "stages")
            found[job].append(service["address"])
    return found


@contextmanager
def scraping(stack: RealStack, home: Path) -> Iterator[Server]:
    """Run Prometheus with the deployment's configuration, at the stack's addresses, looking each second."""
    config = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    addresses = targets_of(stack)
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DOCKER / "prometheus" / name) for name in config["rule_files"]]
    ours = [job for job in config["scrape_configs"] if job["job_name"] in addresses]
    assert {job["job_name"] for job in ours} == set(addresses)
    for job in ours:
        job["static_configs"] = [{"targets": addresses[job["job_name"]]}]
    config["scrape_configs"] = ours
    (home / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        str(PROMETHEUS), f"--config.file={home / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
        try:
            yield Server(port)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def prometheus(stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Scrape the stack while somebody talks and somebody watches."""
    name = f"seen-{uuid.uuid4().hex[:8]}"
    with (
        scraping(stack, tmp_path_factory.mktemp("prometheus")) as server,
        stack.started("tail", name),
    ):
        deadline = time.monotonic() + READY_SECONDS
        while not _seen(server):
            assert time.monotonic() < deadline, "Prometheus saw no rates in time"
            assert stack.run("send", name, "hello").returncode == 0
        yield server


def _seen(server: Server) -> bool:
    """Whether it has looked at busy processes twice, and evaluated the rules."""
    try:
        groups = server.ask("rules")["groups"]
        moved = server.values("sum(rate(livecomments_edge_deliveries_total[1m]))")
        asked = server.values("sum(rate(livecomments_api_request_seconds_count[1m]))")
    except OSError:
        return False
    judged = all(rule["health"] == "ok" for group in groups for rule in group["rules"])
    return bool(groups) and judged and sum(moved) > 0 and sum(asked) > 0


def test_every_process_is_scraped(prometheus: Server, stack: RealStack) -> None:
    """Every stage, the edge and the API are targets that are up."""
    active = prometheus.ask("targets")["activeTargets"]
    assert {each["health"] for each in active} == {"up"}
    scraped = {each["labels"]["instance"] for each in active}
    assert scraped == {address for job in targets_of(stack).values() for address in job}


@pytest.mark.parametrize(("title", "expression"), PANELS, ids=[f"{n}-{p[0]}" for n, p in enumerate(PANELS)])
def test_a_panel_shows_data(prometheus: Server, title: str, expression: str) -> None:
    """Every query of the dashboard has an answer on a running stack; busy ones move."""
    values = prometheus.values(expression)
    assert values
    if title in BUSY and "refused" not in expression:
        assert max(values) > 0


def test_every_rule_is_evaluated(prometheus: Server) -> None:
    """No rule has an error, each stands on metrics that are there, and a healthy stack wakes nobody."""
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    wanted = yaml.safe_load((DOCKER / "prometheus/rules.yml").read_text(encoding="utf-8"))
    assert {rule["name"] for rule in rules} == {each["alert"] for each in wanted["groups"][0]["rules"]}
    for rule in rules:
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule
        assert rule["state"] != "firing", rule
        for metric in re.findall(r"\blivecomments_\w+", rule["query"]):
            assert prometheus.values(f"count({metric})"), metric

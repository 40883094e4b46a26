"""The files under docker/, as far as they can be held without a Docker engine."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from livecomments.cli import VERBS
from livecomments.stack.plan import STAGES
from schemas.settings import environment_name, names

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
KNOWN = {environment_name(path) for path in names()}
TARGETS = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)


def ours() -> dict[str, Any]:
    return {
        name: each
        for name, each in SERVICES.items()
        if str(each.get("image", "")).startswith("livecomments-")
    }


def metrics_used() -> set[str]:
    dashboard = json.loads((DOCKER / "grafana/dashboards/livecomments.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((DOCKER / "prometheus/rules.yml").read_text(encoding="utf-8"))
    expressions += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return {name for each in expressions for name in re.findall(r"\blivecomments_\w+", each)}


def test_every_setting_and_command_exists() -> None:
    """A name in the compose file or the Dockerfile that the program would refuse is a mistake."""
    for name, service in ours().items():
        for variable in service.get("environment", {}):
            assert variable in KNOWN, f"{name}: {variable}"
        command = service.get("command", [])
        if service["image"] == "livecomments-stage":
            assert command[0] in STAGES
        elif command:
            assert command[0] in VERBS, f"{name}: {command}"
    for variable in re.findall(r"\b(LIVECOMMENTS_\w+)=", DOCKERFILE):
        assert variable in KNOWN
    assert set(re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)) <= {*VERBS, *STAGES}


def test_every_reference_exists() -> None:
    """Targets, dependencies, volumes and mounted files are there; images have versions."""
    for name, service in SERVICES.items():
        if "build" in service:
            assert service["build"]["target"] in TARGETS, name
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        else:
            assert re.search(r":v?\d", service["image"]), f"{name} has no version"
        for other in service.get("depends_on", ()):
            assert other in SERVICES, f"{name} depends on {other}"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DOCKER / source).exists(), f"{name}: {source}"
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for part in copied.split():
            assert (ROOT / part).exists(), part


def test_the_shape_is_that_of_production() -> None:
    """Three brokers, two workers of each stage under names of their own, two edges, replication 3."""
    assert sum(name.startswith("kafka-") for name in SERVICES) == 3
    for stage in STAGES:
        workers = [each for each in ours().values() if each.get("command") == [stage]]
        instances = {each["environment"]["LIVECOMMENTS_STAGE__INSTANCE"] for each in workers}
        assert len(workers) == len(instances) == 2
    assert sum(each["image"] == "livecomments-edge" for each in ours().values()) == 2
    for each in ours().values():
        assert each["environment"]["LIVECOMMENTS_KAFKA__REPLICATION"] == "3"
        assert "DEVELOPMENT" not in str(each["environment"]["LIVECOMMENTS_AUTH__SECRET"]).upper()


def test_images_run_as_nobody_in_particular() -> None:
    """No role runs as root, and each has a health check or runs once."""
    assert re.search(r"^USER livecomments$", DOCKERFILE, re.MULTILINE)
    for target in ("stage", "edge", "api"):
        section = DOCKERFILE.split(f" AS {target}\n")[1].split("\nFROM ")[0]
        assert "HEALTHCHECK" in section


def test_prometheus_scrapes_every_process() -> None:
    """Each of our services that stays is a target, at the port it serves metrics on; HAProxy is one too."""
    scraped = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        target
        for job in scraped["scrape_configs"]
        for part in job["static_configs"]
        for target in part["targets"]
    }
    port = {"livecomments-stage": 8080, "livecomments-edge": 8000, "livecomments-api": 8001}
    expected = {f"{name}:{port[each['image']]}" for name, each in ours().items() if each["image"] in port}
    assert targets == expected | {"haproxy:8404"}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_promtool_takes_rules_and_configuration() -> None:
    """Prometheus' own check finds nothing, and every alert fires when it should (``rules.test.yml``)."""
    tests = yaml.safe_load((DOCKER / "prometheus/rules.test.yml").read_text(encoding="utf-8"))["tests"]
    tested = {each["alertname"] for test in tests for each in test["alert_rule_test"] if "exp_alerts" in each}
    rules = yaml.safe_load((DOCKER / "prometheus/rules.yml").read_text(encoding="utf-8"))
    assert tested == {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    for verb, what, file in (
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules.test.yml"),
    ):
        check = [str(shutil.which("promtool")), verb, what, file]
        done = subprocess.run(
            check, cwd=DOCKER / "prometheus", capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
def test_every_metric_that_is_drawn_exists(stack: Any) -> None:
    """Dashboards and alerts ask for nothing that no process of a running stack has."""
    import urllib.request

    status = json.loads(stack.run("status", "--json").stdout)
    found: set[str] = set()
    for service in status["services"]:
        if service["name"] in {"kafka", "redis"}:
            continue
        with urllib.request.urlopen(f"http://{service['address']}/metrics", timeout=20) as page:
            found |= set(re.findall(r"^# TYPE (livecomments_\w+)", page.read().decode(), re.MULTILINE))
    found |= {f"{name}_bucket" for name in found}
    assert metrics_used() - found == set()

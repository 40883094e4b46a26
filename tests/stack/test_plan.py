"""The plan of a stack: services, addresses, environment."""

import itertools
from pathlib import Path

import pytest

from livecomments.exits import Exit, Failure
from livecomments.stack import plan as plans
from livecomments.stack.addresses import Ports, check_distinct
from livecomments.stack.plan import Shape, Tools
from livecomments.stack.spec import Plan, Probe, from_json, to_json
from schemas.settings import load

HERE = Path("/somewhere/data-9000")
TOOLS = Tools("python", Path("/java"), "kafka.jar", Path("/redis-server"), None)


def made(shape: Shape, environ: dict[str, str] | None = None) -> Plan:
    """Return a plan at port base 9000, with spare ports from 30000."""
    spare = itertools.count(30_000)
    tools = TOOLS if not shape.cassandra else Tools("python", Path("/java"), "k", Path("/r"), "cassandra.jar")
    ports = Ports.from_base(9000)
    return plans.make(
        load(environ or {}), ports, HERE, shape=shape, tools=tools, spare_port=lambda: next(spare)
    )


def test_names_and_ports() -> None:
    """Edge, API, Kafka and Redis are at the base and the three above it; each service has its name."""
    plan = made(Shape())
    assert [each.name for each in plan.services()] == [
        *("kafka", "redis", "ingest", "moderate", "sequence", "sample", "persist", "edge", "api")
    ]
    addresses = {each.name: each.address for each in plan.services()}
    assert addresses["edge"] == "127.0.0.1:9000"
    assert addresses["api"] == "127.0.0.1:9001"
    assert addresses["kafka"] == "127.0.0.1:9002"
    assert addresses["redis"] == "127.0.0.1:9003"
    assert tuple(each.name for each in plan.services()) == plans.service_names(Shape())


def test_a_stage_beside_the_path_runs_when_it_is_asked_for() -> None:
    """Without being named it has no process; named, it has as many as are said, behind the others."""
    assert "analyse" not in plans.service_names(Shape(workers={"sample": 2}))
    names = plans.service_names(Shape(workers={"analyse": 2}))
    assert names[names.index("persist") + 1 :][:2] == ("analyse", "analyse-2")


def test_fused() -> None:
    """One process takes the place of the five, and may have others beside it, with instances of their own."""
    plan = made(Shape(fused=True, workers={"fused": 2, "analyse": 1}))
    assert [each.name for each in plan.ours] == ["fused", "fused-2", "analyse", "edge", "api"]
    assert [each.command.argv[-2:] for each in plan.ours[:2]] == [("stage", "fused")] * 2
    assert [each.command.env["LIVECOMMENTS_STAGE__INSTANCE"] for each in plan.ours[:2]] == ["1", "2"]


def test_cassandra() -> None:
    """With Cassandra there is one more server, and our processes archive there."""
    plan = made(Shape(cassandra=True))
    assert [each.name for each in plan.servers] == ["kafka", "redis", "cassandra"]
    assert plan.servers[2].address == "127.0.0.1:9004"
    environment = plan.ours[0].command.env
    assert environment["LIVECOMMENTS_ARCHIVE__KIND"] == "cassandra"
    assert environment["LIVECOMMENTS_CASSANDRA__PORT"] == "9004"


def test_what_is_made_before_our_processes_start() -> None:
    """Topics and the archive's schema, each a verb that may be run again."""
    tasks = {each.name: each.command.argv[3:] for each in made(Shape(cassandra=True)).tasks}
    assert tasks == {"topics": ("topics", "apply"), "schema": ("migrate",)}


def test_more_processes() -> None:
    """A second edge is at the base plus five; second workers have names and instances of their own."""
    plan = made(Shape(edges=3, workers={"sequence": 2}))
    by_name = {each.name: each for each in plan.services()}
    assert by_name["edge-2"].address == "127.0.0.1:9005"
    assert by_name["edge-3"].address == "127.0.0.1:9006"
    assert by_name["edge-2"].command.env["LIVECOMMENTS_EDGE__NAME"] == "edge-2"
    instances = [
        by_name[name].command.env["LIVECOMMENTS_STAGE__INSTANCE"] for name in ("sequence", "sequence-2")
    ]
    assert instances == ["1", "2"]
    addresses = [each.address for each in plan.services()]
    assert len(addresses) == len(set(addresses))


def test_environment_is_valid_settings() -> None:
    """What the plan puts in a process's environment, and the process reads, are the stack's addresses."""
    for each in made(Shape(edges=2)).ours:
        settings = load(each.command.env)
        assert settings.kafka.bootstrap == "127.0.0.1:9002"
        assert settings.redis.url == "redis://127.0.0.1:9003/0"
        assert settings.data == HERE
        assert settings.log.format == "json"
        if each.name.startswith("edge"):
            assert each.address == f"127.0.0.1:{settings.edge.port}"
        elif each.name == "api":
            assert each.address == f"127.0.0.1:{settings.api.port}"
        else:
            assert each.address == f"127.0.0.1:{settings.stage.health_port}"


def test_callers_settings() -> None:
    """A caller's setting wins over a default, and not over the stack's own addresses."""
    environ = {
        "LIVECOMMENTS_LOG__FORMAT": "console",
        "LIVECOMMENTS_KAFKA__BOOTSTRAP": "elsewhere:9092",
        "LIVECOMMENTS_EDGE__HOST": "0.0.0.0",  # noqa: S104 - the point
    }
    plan = made(Shape(), environ)
    environment = environ | next(each for each in plan.ours if each.name == "edge").command.env
    settings = load(environment)
    assert settings.log.format == "console"
    assert settings.kafka.bootstrap == "127.0.0.1:9002"
    assert settings.edge.host == "0.0.0.0"  # noqa: S104 - the point
    assert next(each for each in plan.ours if each.name == "edge").address == "127.0.0.1:9000"


def test_stop_order() -> None:
    """Edges stop first, then stages, the API, and the servers last; every service is in the order once."""
    plan = made(Shape(edges=2, cassandra=True))
    assert plan.stop_order[0] == ("edge", "edge-2")
    assert plan.stop_order[2:] == (("api",), ("kafka", "redis", "cassandra"))
    assert sorted(itertools.chain(*plan.stop_order)) == sorted(each.name for each in plan.services())


def test_kafka_settings() -> None:
    """Kafka makes no topics by itself, starts groups at once, and listens where the plan says."""
    kafka = made(Shape()).servers[0]
    text = kafka.files[f"{HERE}/kafka/server.properties"]
    assert "auto.create.topics.enable=false\n" in text
    assert "group.initial.rebalance.delay.ms=0\n" in text
    assert "listeners=PLAINTEXT://127.0.0.1:9002,CONTROLLER://127.0.0.1:30005\n" in text
    assert "-Xmx512m" in kafka.command.argv
    assert kafka.probe is Probe.KAFKA


@pytest.mark.parametrize("shape", [Shape(), Shape(2, {"ingest": 3}, cassandra=True)])
def test_json(shape: Shape) -> None:
    """A plan survives its way to the supervisor."""
    plan = made(shape)
    assert from_json(to_json(plan)) == plan


def test_ports_must_differ() -> None:
    """Two services on one port, or a port that does not exist, are refused with a code for wrong usage."""
    with pytest.raises(Failure, match="api and edge would both use port 8000") as caught:
        check_distinct(Ports(8000, 8000, 9092, 6379, 9042), 1)
    assert caught.value.code == Exit.USAGE
    with pytest.raises(Failure, match="edge-8 would use port"):
        check_distinct(Ports.from_base(65_525), 16)

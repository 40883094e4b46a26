"""Traces of some comments: ids that every process works out alike, bounded export, nothing said in vain."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from schemas import spans
from schemas.otel import OtelSpans
from schemas.settings import Tracing
from schemas.spans import is_sampled, open_spans, trace_of
from tests.collector import collecting

IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(20_000)]


def test_one_in_so_many() -> None:
    """The share of traced comments is what was asked for; with 1 it is every one."""
    assert 150 < sum(is_sampled(each, 100) for each in IDS) < 250
    assert all(is_sampled(each, 1) for each in IDS[:100])


@given(st.uuids().map(str), st.integers(1, 10_000))
def test_every_process_agrees(comment_id: str, one_in: int) -> None:
    """Trace, root and choice follow from the id alone, and fit into OpenTelemetry's fields."""
    trace, root = trace_of(comment_id)
    assert (trace, root) == trace_of(comment_id)
    assert 0 < trace < 2**128
    assert 0 < root < 2**64
    assert is_sampled(comment_id, one_in) == is_sampled(comment_id, one_in)


def test_hops_of_two_processes_are_one_trace() -> None:
    """The gateway's span is the root; another process's has it for parent; times and facts are as told."""
    gateway, stage = InMemorySpanExporter(), InMemorySpanExporter()
    one, other = OtelSpans(gateway, "edge", 1), OtelSpans(stage, "moderate", 1)
    other.hop("moderate", IDS[1], 1_100.5, 1_200, {"verdict": "allow"}, root=False)
    one.hop("gateway", IDS[1], 1_000, 1_010, {}, root=True)
    one.hop("edge", IDS[1], 1_300, 1_290, {}, root=False)
    one.close()
    other.close()
    root, edge = gateway.get_finished_spans()
    (moderate,) = stage.get_finished_spans()
    assert root.parent is None
    assert (root.context.trace_id, root.context.span_id) == trace_of(IDS[1])
    for hop in (edge, moderate):
        assert hop.context.trace_id == root.context.trace_id
        assert hop.parent is not None
        assert hop.parent.span_id == root.context.span_id
        assert hop.context.span_id != root.context.span_id
    assert (moderate.start_time, moderate.end_time) == (1_100_500_000, 1_200_000_000)
    assert edge.end_time == edge.start_time  # a clock that went back makes no negative time
    assert moderate.attributes == {"livecomments.verdict": "allow", "livecomments.comment": IDS[1]}
    assert moderate.resource.attributes["service.name"] == "livecomments-moderate"


class Stuck(SpanExporter):
    """A backend that takes nothing until it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.count = 0

    def export(self, batch: Sequence[ReadableSpan]) -> SpanExportResult:
        self.let.wait(20)
        self.count += len(batch)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None: ...


def test_a_backend_that_hangs_costs_spans_alone() -> None:
    """Beyond the queue's limit spans are dropped; nobody waits."""
    backend = Stuck()
    made = OtelSpans(backend, "edge", 1)
    for each in IDS[:10_000]:
        made.hop("edge", each, 0, 1, {}, root=False)
    backend.let.set()
    made.close()
    assert 0 < backend.count <= spans.QUEUE_SPANS_MAX + 2 * spans.BATCH_SPANS_MAX


def test_over_http() -> None:
    """What is exported arrives at a collector; a collector that is away is said once, and raises nothing."""
    with collecting() as collector:
        made = OtelSpans.over_http(Tracing(endpoint=collector.endpoint + "/", one_in=1), "api")
        made.hop("gateway", IDS[0], 1_000, 1_010, {"gateway": "api-1"}, root=True)
        made.close()
        (span,) = collector.of(IDS[0])
        assert (span.service, span.name, span.parent, span.start_ms) == (
            "livecomments-api",
            "gateway",
            "",
            1_000,
        )


def test_a_collector_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spans are dropped within the limit; one line says so."""
    monkeypatch.setattr(spans, "EXPORT_SECONDS_MAX", 0.3)
    made = OtelSpans.over_http(Tracing(endpoint="http://127.0.0.1:9", one_in=1), "api")
    for each in IDS[:1_200]:
        made.hop("gateway", each, 0, 1, {}, root=True)
    made.close()
    assert capsys.readouterr().out.count("traces cannot be sent") == 1


def test_off() -> None:
    """Without an endpoint there is nothing at all."""
    assert open_spans(Tracing(), "edge") is None

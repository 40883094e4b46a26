"""`schemas.spans` on the OpenTelemetry SDK. Imported only where tracing is set."""

from collections.abc import Mapping, Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from schemas import spans
from schemas.settings import Tracing

NS_PER_MS = 1_000_000

log = structlog.get_logger()


class Ids(RandomIdGenerator):
    """Random span ids, but for a root's, and trace ids as they were worked out."""

    def __init__(self) -> None:
        self.trace = 0
        self.span = 0

    def generate_trace_id(self) -> int:
        """Return the trace id that was set."""
        return self.trace or super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the span id that was set, once; else a random one."""
        wanted, self.span = self.span, 0
        return wanted or super().generate_span_id()


class Telling(SpanExporter):
    """An exporter that says once when its backend is away, and once when it is back."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._away = False

    def export(self, batch: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export; in the exporter's own thread."""
        try:
            result = self._inner.export(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
            self._note(away=True, words=type(error).__name__)
            return SpanExportResult.FAILURE
        self._note(away=result is not SpanExportResult.SUCCESS, words="refused or not reached")
        return result

    def shutdown(self) -> None:
        """Close it."""
        self._inner.shutdown()

    def _note(self, *, away: bool, words: str) -> None:
        if away and not self._away:
            log.warning("traces cannot be sent; they are dropped meanwhile", error=words)
        elif self._away and not away:
            log.info("traces are sent again")
        self._away = away


class OtelSpans:
    """Makes spans with given times and ids, and has them exported in the background."""

    def __init__(self, exporter: SpanExporter, process: str, one_in: int) -> None:
        self._one_in = one_in
        self._ids = Ids()
        # No flush at exit by itself: `close` does it, within a limit.
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": f"livecomments-{process}"}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                Telling(exporter),
                max_queue_size=spans.QUEUE_SPANS_MAX,
                max_export_batch_size=spans.BATCH_SPANS_MAX,
                schedule_delay_millis=spans.EXPORT_MS,
            )
        )
        self._tracer = self._provider.get_tracer("livecomments")

    @classmethod
    def over_http(cls, tracing: Tracing, process: str) -> "OtelSpans":
        """Export by OTLP over HTTP to ``tracing.endpoint``."""
        where = f"{str(tracing.endpoint).rstrip('/')}/v1/traces"
        return cls(
            OTLPSpanExporter(endpoint=where, timeout=spans.EXPORT_SECONDS_MAX), process, tracing.one_in
        )

    def wants(self, comment_id: str) -> bool:
        """Whether the comment is traced."""
        return spans.is_sampled(comment_id, self._one_in)

    def hop(
        self,
        name: str,
        comment_id: str,
        start_ms: float,
        end_ms: float,
        more: Mapping[str, spans.Value],
        *,
        root: bool = False,
    ) -> None:
        """Export one hop."""
        trace, first = spans.trace_of(comment_id)
        if root:
            self._ids.trace, self._ids.span = trace, first
            context = set_span_in_context(NonRecordingSpan(_NONE))
        else:
            flags = TraceFlags(TraceFlags.SAMPLED)
            parent = SpanContext(trace, first, is_remote=True, trace_flags=flags)
            context = set_span_in_context(NonRecordingSpan(parent))
        attributes = {f"livecomments.{key}": value for key, value in more.items()}
        span = self._tracer.start_span(
            name,
            context=context,
            attributes=attributes | {"livecomments.comment": comment_id},
            start_time=int(start_ms * NS_PER_MS),
        )
        span.end(int(max(start_ms, end_ms) * NS_PER_MS))

    def close(self) -> None:
        """Send what waits, within EXPORT_SECONDS_MAX."""
        self._provider.force_flush(int(spans.EXPORT_SECONDS_MAX * 1000))
        self._provider.shutdown()


_NONE = SpanContext(0, 0, is_remote=False)

"""What the API counts. Labels are route templates, methods and statuses: as many as the code has."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"


class Metrics:
    """Requests by route; one registry an app, so that apps do not meet in tests.

    ``stale``: how many partitions persist is too far behind in to be read.
    """

    def __init__(self, stale: Callable[[], int] = lambda: 0) -> None:
        self._registry = CollectorRegistry()
        behind = Gauge(
            "livecomments_api_partitions_stale",
            "Partitions whose reads are refused because persist is behind",
            registry=self._registry,
        )
        behind.set_function(stale)
        self._requests = Counter(
            "livecomments_api_requests",
            "Requests answered",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "livecomments_api_request_seconds",
            "Time from a request's head to the end of its answer",
            ["route"],
            buckets=BUCKETS_SECONDS,
            registry=self._registry,
        )

    def answered(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count one request. ``route``: its template; None: there is no such route."""
        route = route or OTHER
        self._requests.labels(route, method if method in METHODS else OTHER, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        """Return the page's text."""
        return generate_latest(self._registry)

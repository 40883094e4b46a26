"""The admin port: health and metrics of one process alone, where several share the port for viewers."""

from http import HTTPStatus

from websockets.http11 import Request

from edge.frontdesk import Answer, FrontDesk, Plain, text

PAGES = frozenset({"/healthz", "/readyz", "/metrics"})


class AdminDesk(FrontDesk):
    """A desk that lets no viewer in."""

    def answer(self, request: Request, address: str) -> Answer:
        """Give out the three pages."""
        if request.path in PAGES:
            return super().answer(request, address)
        return Plain(text(HTTPStatus.NOT_FOUND, "Only health and metrics are served here.\n"))

"""A classifier behind HTTP: one POST for some comments.

Request: ``{"comments": [{"stream": "…", "user": "…", "text": "…"}, …]}``. Answer, status 200:
``{"verdicts": ["allow" | "hold" | "reject", …]}``, one for each, in order.
"""

from collections.abc import Sequence
from typing import Final

import aiohttp

from agents.classifiers.base import ClassifierError, Subject

ANSWER_BYTES_MAX: Final = 256 * 1024


class HttpClassifier:
    """Asks ``url``. The deadline is the caller's; connections are kept, and are its own."""

    def __init__(self, url: str, connections_max: int) -> None:
        self._url = url
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    async def classify(self, subjects: Sequence[Subject]) -> Sequence[str]:
        """Return the answer's verdicts."""
        rows = [{"stream": each.stream_id, "user": each.user_id, "text": each.text} for each in subjects]
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections_max)
            self._session = aiohttp.ClientSession(connector=connector)
        try:
            async with self._session.post(self._url, json={"comments": rows}) as answer:
                if answer.status != 200:
                    raise ClassifierError(f"status {answer.status}")
                if (answer.content_length or 0) > ANSWER_BYTES_MAX:
                    raise ClassifierError(f"an answer of {answer.content_length} bytes")
                verdicts = (await answer.json()).get("verdicts")
        except (aiohttp.ClientError, OSError, ValueError, AttributeError) as error:
            raise ClassifierError(type(error).__name__) from error
        if not isinstance(verdicts, list):
            raise ClassifierError("the answer has no list of verdicts")
        return verdicts

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

"""The HTTP API as the workload uses it. An answer that does not come is unknown; so is any 5xx."""

from typing import Any, NamedTuple

import aiohttp

from livecomments.nemesis.session import UNKNOWN_CODE

REQUEST_SECONDS = 5.0


class Answer(NamedTuple):
    """``stage``: ok | fail | unknown, as facts have it. ``code``: the refusal's, or the HTTP status."""

    stage: str
    code: int
    body: Any = None


class Api:
    """A client of one API."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base = base
        self._session = session

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> Answer:
        """Ask once."""
        try:
            async with self._session.request(
                method,
                self._base + path,
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            ) as response:
                status = response.status
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return Answer("unknown", UNKNOWN_CODE)
        code = int(answer.get("code", status)) if isinstance(answer, dict) else status
        if status < 400:
            return Answer("ok", 0, answer)
        # 408 and 429 were not carried out; 5xx may have been.
        return Answer("fail" if status < 500 else "unknown", code, answer)

    async def comment(self, stream: str, token: str, id_: str, text: str) -> Answer:
        """Post a comment."""
        return await self.ask("POST", f"/v1/streams/{stream}/comments", token, {"id": id_, "text": text})

    async def command(self, type_: str, stream: str, token: str, target: str) -> Answer:
        """Delete, clear, ban or unban."""
        base = f"/v1/streams/{stream}"
        match type_:
            case "delete":
                return await self.ask("DELETE", f"{base}/comments/{target}", token)
            case "clear":
                return await self.ask("POST", f"{base}/clear", token, {"user": target})
            case "ban":
                return await self.ask("PUT", f"{base}/bans/{target}", token, {})
            case "unban":
                return await self.ask("DELETE", f"{base}/bans/{target}", token)
            case _:
                raise ValueError(f"no command {type_}")

    async def open(self, stream: str, token: str, creator: str) -> Answer:
        """Open a stream."""
        return await self.ask("POST", "/v1/streams", token, {"id": stream, "creator": creator})

    async def page(self, stream: str, token: str, from_seq: int, limit: int = 500) -> Answer:
        """Read a page of the archive."""
        return await self.ask(
            "GET", f"/v1/streams/{stream}/comments?from_seq={from_seq}&limit={limit}", token
        )

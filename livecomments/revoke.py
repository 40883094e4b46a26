"""``livecomments revoke``: tokens that count no longer, although they have not expired."""

import asyncio
import json
from typing import Annotated

import typer
from redis.exceptions import RedisError

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.redisclient import redis_client
from schemas.settings import Settings
from schemas.topics import DAY_MS


def revoke(
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", help="Every token of this user that was issued until now."),
    ] = None,
    token_id: Annotated[
        str | None, typer.Option("--token-id", metavar="JTI", help="The one token with this id (its jti).")
    ] = None,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Revoke tokens: refused by every edge and the API, and open connections closed, within two seconds.

    A token that the user is issued afterwards is good; to keep somebody out of a stream, ban them
    (livecomments mod). Kept for LIVECOMMENTS_AUTH__REVOCATION_DAYS, which must be as long as any token
    lives. Held in Redis alone: after a flush the running edges write it back, but a flush while all of
    them are down forgets it.
    """
    from edge.revocation import of_token, of_user  # noqa: PLC0415 - `--help` must be fast

    if user is None and token_id is None:
        raise Failure(Exit.USAGE, "say which tokens: --user ID, --token-id JTI, or both")
    entries = [of_user(user)] if user is not None else []
    entries += [of_token(token_id)] if token_id is not None else []
    at = asyncio.run(_revoke(stack_settings(port_base, data), entries))
    typer.echo(json.dumps({"revoked": entries, "at": at}) if as_json else f"revoked: {', '.join(entries)}")


async def _revoke(settings: Settings, entries: list[str]) -> int:
    from edge.revocation import revoke as write  # noqa: PLC0415

    redis = redis_client(settings.redis)
    try:
        return await write(redis, entries, settings.auth.revocation_days * DAY_MS)
    except (RedisError, OSError, TimeoutError) as error:
        raise Failure(
            Exit.NOT_RUNNING,
            f"Redis does not answer ({type(error).__name__}): nothing was revoked; try again",
        ) from error
    finally:
        await redis.aclose()

"""What is wrong with Redis, the archive, the clocks and the settings that lead to them."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

from livecomments.stack.findings import Check
from schemas.archive import ArchiveError, ArchiveUnavailable
from schemas.redisclient import redis_client
from schemas.settings import Settings

LIMIT_SECONDS = 10.0
REDIS_MIN = (6, 0)
SKEW_SECONDS_MAX = 5.0
"""Of this machine's clock and Redis's. Tokens are given `auth.leeway_seconds` (10), and ids carry times."""


async def redis(settings: Settings) -> list[Check]:
    """Look at Redis: there, new enough, evicts nothing, and has the time that this machine has."""
    from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415 - slow to import

    client = redis_client(settings.redis, decode_responses=True)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            info = await client.info()
            before = time.time()
            seconds, micros = await client.time()
            skew = seconds + micros / 1e6 - (before + time.time()) / 2
            try:
                evicts = (await client.config_get("maxmemory-policy")).get("maxmemory-policy")
            except ResponseError:  # a hosted one may not say
                evicts = info.get("maxmemory_policy")
    except (RedisError, OSError, TimeoutError) as error:
        words = f"does not answer ({type(error).__name__})"
        return [Check("redis server", False, words, "start it, or correct LIVECOMMENTS_REDIS__URL")]
    finally:
        await client.aclose()
    return [_age(str(info["redis_version"])), _eviction(evicts), _clock(skew)]


def _age(version: str) -> Check:
    well = tuple(map(int, version.split(".")[:2])) >= REDIS_MIN
    return Check("redis server", well, f"version {version}", "upgrade it to 6.0 or later")


def _eviction(policy: str | None) -> Check:
    if policy is None:
        return Check("redis eviction", True, "it does not say; it must be noeviction")
    mend = "CONFIG SET maxmemory-policy noeviction, and in its file: eviction would take bans and windows"
    return Check("redis eviction", policy == "noeviction", policy, mend)


def _clock(skew: float) -> Check:
    words = f"{abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} Redis's"
    mend = "set the clocks by NTP on all machines: tokens and the ids of comments carry times"
    return Check("clock", abs(skew) <= SKEW_SECONDS_MAX, words, mend)


async def archive(settings: Settings) -> Check:
    """Look at the archive: there, and of this version's schema."""
    look = _cassandra if settings.archive.kind == "cassandra" else _sqlite
    name = f"archive ({settings.archive.kind})"
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return Check(name, True, await asyncio.to_thread(look, settings))
    except ArchiveError as error:
        return Check(name, False, str(error), "run `livecomments migrate` with the version that you deploy")
    except (ArchiveUnavailable, OSError, sqlite3.Error, TimeoutError) as error:
        mend = "start it, or correct LIVECOMMENTS_CASSANDRA__HOSTS and __PORT; persist waits meanwhile"
        return Check(name, False, str(error) or "does not answer", mend)


def _cassandra(settings: Settings) -> str:
    from schemas.archive import cassandra_schema as schema  # noqa: PLC0415 - slow to import
    from schemas.archive.cassandra_session import Session  # noqa: PLC0415

    keyspace = settings.cassandra.keyspace
    session = Session.connect(settings.cassandra)
    try:
        if not schema.exists(session.raw, keyspace):
            raise ArchiveError(f"keyspace {keyspace} has no schema")
        schema.check(session.raw, keyspace)
    finally:
        session.close()
    return f"keyspace {keyspace}, migrated"


def _sqlite(settings: Settings) -> str:
    from schemas.archive import sqlite_schema as schema  # noqa: PLC0415

    path = settings.archive_path
    if not path.exists():
        return f"{path}: not there yet; it is made at the first start"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        schema.check(connection, path)
    return f"{path}, migrated"


def settings_of(settings: Settings) -> Iterator[Check]:
    """Look at the settings that no server can judge: secrets and files."""
    from edge.auth import Authenticator, InsecureSecretError, check_secret  # noqa: PLC0415
    from schemas.settings import SettingsError  # noqa: PLC0415

    hosts = {settings.edge.host, settings.api.host}
    try:
        for host in sorted(hosts):
            check_secret(settings, host)
        Authenticator(settings.auth)
    except InsecureSecretError as error:
        mend = "LIVECOMMENTS_AUTH__SECRET=$(openssl rand -hex 32), the same for every process"
        yield Check("secret", False, str(error), mend)
    except SettingsError as error:
        yield Check("secret", False, str(error), "correct LIVECOMMENTS_AUTH__JWKS_FILE")
    else:
        yield Check("secret", True, f"good for {', '.join(sorted(hosts))}")
    try:
        yield Check("word lists", True, f"{len(_words(settings))} rules")
    except (SettingsError, OSError, ValueError) as error:
        yield Check("word lists", False, str(error), "correct LIVECOMMENTS_MODERATION__WORDS_FILE or _DIR")


def _words(settings: Settings) -> list[object]:
    from schemas import wordfiles  # noqa: PLC0415

    return list(wordfiles.read(settings.moderation))

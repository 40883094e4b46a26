"""A fleet of `tests.fleet.redis_edge`, as ``livecomments edge --processes`` is one of edges."""

import asyncio
import sys

from livecomments.exits import Failure
from livecomments.fleet import keep
from schemas.settings import load

if __name__ == "__main__":
    try:
        asyncio.run(keep(load(), (sys.executable, *(sys.argv[1:] or ("-m", "tests.fleet.redis_edge")))))
    except Failure as failure:
        sys.exit(failure.code)

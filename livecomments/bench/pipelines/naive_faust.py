"""The pipeline as one would write it in Faust: ``python -m livecomments.bench.pipelines.naive_faust``.

Arguments: bootstrap servers, app id, source, sink, file of rules, directory. An agent, a table, ``send``.
"""

import sys
from pathlib import Path
from typing import Any

import faust

from livecomments.bench.pipelines.numbering import Numbering


def main(bootstrap: str, name: str, source: str, sink: str, words: str, directory: str) -> None:  # noqa: PLR0917
    """Run until it is ended."""
    numbering = Numbering(Path(words).read_text(encoding="utf-8").splitlines())
    app = faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        datadir=directory,
        topic_partitions=1,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    comments = app.topic(source, value_type=bytes, key_type=bytes, value_serializer="raw")
    sequenced = app.topic(
        sink, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw"
    )
    numbers = app.Table("numbers", default=int, partitions=1)

    @app.agent(comments, name="number")  # type: ignore[untyped-decorator]
    async def number(stream: Any) -> None:
        async for value in stream:
            for key, out in numbering.outputs(value, numbers.__getitem__, numbers.__setitem__):
                await sequenced.send(key=key, value=out)

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The pipeline in Quix Streams: ``python -m livecomments.bench.pipelines.quix``, in its own environment.

Arguments: bootstrap servers, group, source, sink, file of rules, directory. Its state is kept by the record's
key: the stream where a record has one comment, one key for all where it has many.
"""

import sys
from pathlib import Path
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.models.serializers import Serializer  # type: ignore[import-not-found]

from livecomments.bench.pipelines.numbering import Numbering


class _Second(Serializer):  # type: ignore[misc]
    """Of (key, value)."""

    def __call__(self, value: Any, ctx: Any) -> bytes:
        del ctx
        return value[1]  # type: ignore[no-any-return]


def main(bootstrap: str, name: str, source: str, sink: str, words: str, directory: str) -> None:  # noqa: PLR0917
    """Run until it is ended."""
    numbering = Numbering(Path(words).read_text(encoding="utf-8").splitlines())
    app = Application(
        broker_address=bootstrap,
        consumer_group=name,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        state_dir=directory,
        loglevel="WARNING",
    )
    comments = app.topic(source, key_deserializer="bytes", value_deserializer="bytes")
    sequenced = app.topic(sink, key_serializer="bytes", value_serializer=_Second())

    def number(value: bytes, state: Any) -> list[tuple[bytes, bytes]]:
        return list(numbering.outputs(value, lambda stream: state.get(stream, 0), state.set))

    rows = app.dataframe(comments).apply(number, stateful=True, expand=True)
    rows.to_topic(sequenced, key=lambda row: row[0])
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])

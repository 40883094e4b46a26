"""ingest: decode, validate, normalise. ``comments.submitted`` → ``comments.ingested``.

Gives every item its origin (offset and index in ``comments.submitted``) and its time (log-append).
What cannot be read, and items that are not valid, go to ``comments.dlq``; the partition moves on.
"""

from collections.abc import Sequence
from typing import cast

from agents.chunks import covering
from agents.core.validate import fault_of
from agents.log import Record
from agents.stage import Output, PartitionState, Stage, must_follow
from schemas.content import WHOLE, Around, forget
from schemas.items import normal
from schemas.records import INDEX_END, NOTHING, Ingested, IngestedItem, Item, Origin
from schemas.topics import INGESTED, SUBMITTED, SUBMITTED_BYTES_MAX


class IngestStage(Stage[PartitionState]):
    """No table: a record that is written twice is trimmed downstream, by origin."""

    name = "ingest"
    source = SUBMITTED
    sink = INGESTED
    value_bytes_max = SUBMITTED_BYTES_MAX

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._around = Around(self.sink.record)
        self._partitions = partitions

    def open(self, partition: int) -> PartitionState:
        """Nothing is remembered: the consumer's committed offset says where to go on."""
        return PartitionState(partition)

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        nothing = NOTHING.to_wire()
        return self.codec.encode(Ingested(claim=worker, token=-1, after=nothing, covered=nothing, items=[]))

    def replay(self, state: PartitionState, record: Ingested) -> None:
        """Nothing to fold."""

    def step(self, state: PartitionState, inputs: Sequence[Record]) -> Output:
        """Turn submitted micro-batches into one or more ingested ones."""
        output = Output()
        before = Origin(inputs[0].offset - 1, INDEX_END)
        if state.covered != NOTHING:
            must_follow(self.name, state.partition, before, state.covered)
        state.covered = Origin(inputs[-1].offset, INDEX_END)
        pieces: list[bytes] = []
        items: list[IngestedItem] = []
        origins: list[tuple[int, int]] = []
        for record, submitted in self.read(inputs, output, state.partition):
            for index, item in enumerate(submitted["items"]):
                fault = fault_of(item, state.partition, self._partitions)
                if fault is None:
                    pieces.append(self._item(item, record, index))
                    origins.append((record.offset, index))
                    if self.hands_on:
                        item.update(offset=record.offset, index=index, at=record.timestamp)
                        item[WHOLE] = pieces[-1]
                        items.append(item)
                else:
                    letter = self.dead(state.partition, record, "invalid", f"item {index}: {fault}")
                    output.before.append(letter)
        for first, end, after, covered in covering(pieces, origins, before, state.covered):
            ingested = Ingested(
                claim="",
                token=state.token,
                after=after.to_wire(),
                covered=covered.to_wire(),
                items=cast("list[IngestedItem]", pieces[first:end]),
            )
            output.main.append((None, self.codec.encode(ingested)))
            if self.hands_on:
                output.decoded.append({**ingested, "items": items[first:end]})
        return output

    def _item(self, item: Item, record: Record, index: int) -> bytes:
        """Return an item with its origin and time, encoded."""
        text = normal(item["text"])
        if text != item["text"]:
            forget(item)
            item["text"] = text
        content = self._around.of(item)
        return self._around.write(
            record.offset, index, record.timestamp, item["type"], item["stream_id"], content
        )

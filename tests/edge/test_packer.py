"""The gateway's queues: what leaves together, bounds, order."""

from hypothesis import given
from hypothesis import strategies as st

from edge.packer import BATCH_BYTES_MAX, RECORD_BYTES_OVERHEAD, Packer, Waiting, bytes_of
from schemas.codec import codec
from schemas.records import Command, Item

texts = st.text(max_size=60).filter(lambda text: text.isprintable() or not text)
optional = st.none() | texts
commands = st.builds(
    lambda t, s, r, j: Command(target=t, seconds=s, reason=r, settings=j),
    optional,
    st.none() | st.integers(0, 2**62),
    optional,
    optional,
)
items = st.builds(
    lambda a, b, c, d, e, f: Item(
        type="comment",
        stream_id=a,
        id=b,
        user_id=c,
        user_name=d,
        role="viewer",
        text=e,
        sticker=None,
        command=f,
    ),
    texts,
    texts,
    texts,
    texts,
    texts,
    st.none() | commands,
)


def waiting(number: int, size: int = 100, deadline: float = 10.0) -> Waiting[int]:
    """Make an item that is told by its waiter; its content does not matter here."""
    item = Item(
        type="comment",
        stream_id="s",
        id=str(number),
        user_id="u",
        user_name="U",
        role="viewer",
        text="",
        sticker=None,
        command=None,
    )
    return Waiting(item, size, deadline, number)


def waiters(batch: list[Waiting[int]]) -> list[int]:
    return [each.waiter for each in batch]


@given(st.lists(items, max_size=20))
def test_size_is_an_upper_bound(batch: list[Item]) -> None:
    """The record is never larger than what was counted, so it never passes the broker's limit."""
    encoded = codec("submitted").encode({"gateway": "boot-0123456789", "items": batch})
    assert len(encoded) <= RECORD_BYTES_OVERHEAD + sum(map(bytes_of, batch))


def test_idle_partition_sends_at_once_and_load_packs() -> None:
    """One item leaves alone; what arrives while it is on the way leaves together."""
    packer: Packer[int] = Packer(100)
    packer.offer(3, waiting(0))
    assert waiters(packer.take(3)) == [0]
    for number in (1, 2, 3):
        packer.offer(3, waiting(number))
        assert packer.take(3) == []
    assert list(packer.idle()) == []
    assert waiters(packer.settle(3)) == [0]
    assert list(packer.idle()) == [3]
    assert waiters(packer.take(3)) == [1, 2, 3]


def test_other_partitions_do_not_wait() -> None:
    """A partition that Kafka does not acknowledge holds up no other."""
    packer: Packer[int] = Packer(100)
    packer.offer(0, waiting(0))
    packer.take(0)
    packer.offer(1, waiting(1))
    assert waiters(packer.take(1)) == [1]


def test_bounds() -> None:
    """Beyond the items' limit, or larger than a record, nothing is taken in."""
    packer: Packer[int] = Packer(2)
    assert not packer.offer(0, waiting(0, BATCH_BYTES_MAX))
    assert packer.offer(0, waiting(1))
    packer.take(0)
    assert packer.offer(0, waiting(2))
    assert not packer.offer(1, waiting(3))
    packer.settle(0)
    assert packer.offer(1, waiting(3))


def test_late_items_never_leave_and_are_not_answered_twice() -> None:
    """A queued item past its deadline is dropped; one on the way is answered, and may still arrive."""
    packer: Packer[int] = Packer(10)
    packer.offer(0, waiting(0, deadline=1.0))
    packer.take(0)
    packer.offer(0, waiting(1, deadline=1.0))
    packer.offer(0, waiting(2, deadline=2.0))
    assert sorted(waiters(packer.expire(1.5))) == [0, 1]
    assert packer.waiting == 1
    assert packer.take(0) == []
    assert packer.settle(0) == []
    assert waiters(packer.take(0)) == [2]


actions = st.lists(
    st.tuples(st.sampled_from(["offer", "take", "settle", "expire"]), st.integers(0, 2), st.integers(1, 400)),
    max_size=80,
)


@given(actions)
def test_every_item_is_answered_once_in_order(steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens: one answer an item, order kept in a partition, no record over the cap."""
    packer: Packer[int] = Packer(20, batch_bytes_max=RECORD_BYTES_OVERHEAD + 500)
    offered: set[int] = set()
    answered: list[int] = []
    sent: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for number, (action, partition, size) in enumerate(steps):
        match action:
            case "offer":
                if packer.offer(partition, waiting(number, size, deadline=number + 30)):
                    offered.add(number)
            case "take":
                batch = packer.take(partition)
                assert sum(each.bytes for each in batch) <= 500
                sent[partition] += waiters(batch)
            case "settle":
                answered += waiters(packer.settle(partition))
            case _:
                answered += waiters(packer.expire(number))
        assert packer.waiting == len(offered) - len(answered)
    answered += waiters(packer.expire(float("inf")))
    assert sorted(answered) == sorted(offered)
    assert all(numbers == sorted(numbers) for numbers in sent.values())
    assert packer.waiting == 0

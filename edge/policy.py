"""Commands to the whole platform: written to every partition of ``moderation.policy``, durable in all.

Not in the order of any stream's log. `moderate` hears of one within milliseconds, before any comment that
is submitted afterwards has come through two topics; verdicts are written before anything follows from them,
so that nothing is decided twice.
"""

import asyncio
import json
from collections.abc import Sequence

from edge.audit import AuditTrail, Poster
from edge.auth import Viewer
from edge.submit import SubmitError
from schemas.codec import codec
from schemas.policies import EVERYWHERE, ban_key, parts_of, words_key
from schemas.records import Command, Item
from schemas.refusals import Code, Refusal
from schemas.topics import POLICY


class PolicyDesk:
    """See the module. Raises Refusal: NOT_MODERATOR; UNKNOWN when Kafka did not confirm all in time."""

    def __init__(self, poster: Poster, audit: AuditTrail, partitions: int, deadline_ms: int) -> None:
        self._poster = poster
        self._audit = audit
        self._partitions = partitions
        self._deadline = deadline_ms / 1000

    async def ban(self, viewer: Viewer, id_: str, user: str, seconds: int | None, reason: str | None) -> None:
        """Ban a user from every stream."""
        command = Command(target=user, seconds=seconds, reason=reason, settings=None)
        await self._give(viewer, id_, "ban", [(ban_key(user), command)])

    async def unban(self, viewer: Viewer, id_: str, user: str) -> None:
        """Lift such a ban."""
        command = Command(target=user, seconds=None, reason=None, settings=None)
        await self._give(viewer, id_, "unban", [(ban_key(user), command)])

    async def words(self, viewer: Viewer, id_: str, name: str, rules: Sequence[str]) -> None:
        """Put a list in the place of the one of that name; an empty one takes it away."""
        parts = [
            (
                words_key(name, part.number),
                Command(target=name, seconds=None, reason=None, settings=json.dumps(part.to_value())),
            )
            for part in parts_of(rules)
        ]
        await self._give(viewer, id_, "words", parts)

    async def _give(
        self, viewer: Viewer, id_: str, type_: str, commands: Sequence[tuple[bytes, Command]]
    ) -> None:
        told = {"target": commands[0][1]["target"], "seconds": commands[0][1]["seconds"]}
        told["reason"] = commands[0][1]["reason"]
        if viewer.role != "platform":
            self._audit.refused(viewer, EVERYWHERE, type_, told, Code.NOT_MODERATOR.key)
            raise Refusal(Code.NOT_MODERATOR)
        try:
            # A long list has many parts, each of which is given that time.
            async with asyncio.timeout(self._deadline * len(commands)):
                for key, command in commands:
                    await self._everywhere(key, _item(viewer, id_, type_, command))
                await self._audit.write(viewer, EVERYWHERE, type_, told, id_=id_)
        except (SubmitError, TimeoutError) as error:
            raise Refusal(Code.UNKNOWN, str(error)) from error

    async def _everywhere(self, key: bytes, item: Item) -> None:
        value = codec(POLICY.record).encode({"items": [item]})
        posts = (self._poster.post(POLICY, at, key, value) for at in range(self._partitions))
        await asyncio.gather(*posts)


def _item(viewer: Viewer, id_: str, type_: str, command: Command) -> Item:
    return Item(
        type=type_,
        stream_id=EVERYWHERE,
        id=id_,
        user_id=viewer.user_id,
        user_name=viewer.name,
        role=viewer.role,
        text="",
        sticker=None,
        command=command,
    )

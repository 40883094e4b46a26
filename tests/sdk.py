"""The official Python SDK in tests."""

import asyncio

from centrifuge import Client


async def leave(client: Client) -> None:
    """Disconnect, and wait for the closes that the SDK leaves running: a socket must not outlive its loop."""
    await client.disconnect()
    while client._background_tasks:
        await asyncio.wait(client._background_tasks)

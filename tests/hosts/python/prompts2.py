"""The Python SDK, 2.x, and the prompts of the server: `prompts2.py auto|legacy EMAIL`."""

from __future__ import annotations

import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from scenario import Server, report


def asked(prompt: Any) -> dict[str, bool]:
    """The arguments of a prompt, and whether it cannot do without."""
    return {argument.name: bool(argument.required) for argument in prompt.arguments or []}


async def run() -> dict[str, Any]:
    if len(sys.argv) != 3 or sys.argv[1] not in ("auto", "legacy"):
        raise SystemExit("usage: prompts2.py auto|legacy EMAIL")
    mode, email = sys.argv[1:]
    server = Server.from_environment()
    async with httpx2.AsyncClient(headers=server.headers) as http:
        async with Client(streamable_http_client(server.url, http_client=http), mode=mode) as client:
            listed = (await client.list_prompts()).prompts
            given = {"onboard_teammate": {"email": email}, "offboard_teammate": {"user": email, "reason": "left"}}
            texts = {}
            for prompt in listed:
                messages = (await client.get_prompt(prompt.name, given[prompt.name])).messages
                texts[prompt.name] = [[message.role, message.content.text] for message in messages]
            return {
                "protocol": str(client.protocol_version),
                "prompts": {prompt.name: asked(prompt) for prompt in listed},
                "texts": texts,
            }


if __name__ == "__main__":
    report(run)

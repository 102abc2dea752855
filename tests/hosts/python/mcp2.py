"""The Python SDK, 2.x: `mcp2.py auto|legacy EMAIL FIRST_NAME LAST_NAME`.

`auto` opens with `server/discover` (2026-07-28), `legacy` with `initialize`.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from scenario import Called, Invitee, Server, converse, first_text, report


class Mcp2:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def protocol(self) -> str:
        return str(self._client.protocol_version)

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any]) -> Called:
        result = await self._client.call_tool(name, arguments)
        return Called(bool(result.is_error), result.structured_content, first_text(result.content))


async def run() -> dict[str, Any]:
    mode, *rest = sys.argv[1:] or [""]
    if mode not in ("auto", "legacy"):
        raise SystemExit("usage: mcp2.py auto|legacy EMAIL FIRST_NAME LAST_NAME")
    invitee = Invitee.from_arguments(rest)
    server = Server.from_environment()
    async with httpx2.AsyncClient(headers=server.headers) as http:
        async with Client(streamable_http_client(server.url, http_client=http), mode=mode) as client:
            return await converse(f"mcp-python-2-{mode}", version("mcp"), Mcp2(client), invitee)


if __name__ == "__main__":
    report(run)

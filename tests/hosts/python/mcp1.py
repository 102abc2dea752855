"""The Python SDK, 1.x, which most deployed hosts still carry: `mcp1.py EMAIL FIRST_NAME LAST_NAME`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from scenario import Called, Invitee, Server, converse, first_text, report


class Mcp1:
    def __init__(self, session: ClientSession, protocol: str) -> None:
        self._session = session
        self._protocol = protocol

    async def protocol(self) -> str:
        return self._protocol

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any]) -> Called:
        result = await self._session.call_tool(name, arguments)
        return Called(result.isError, result.structuredContent, first_text(result.content))


async def run() -> dict[str, Any]:
    invitee = Invitee.from_arguments(sys.argv[1:])
    server = Server.from_environment()
    async with httpx.AsyncClient(headers=server.headers) as http:
        async with streamable_http_client(server.url, http_client=http) as (read, write, _session_id):
            async with ClientSession(read, write) as session:
                opened = await session.initialize()
                return await converse(
                    "mcp-python-1", version("mcp"), Mcp1(session, str(opened.protocolVersion)), invitee
                )


if __name__ == "__main__":
    report(run)

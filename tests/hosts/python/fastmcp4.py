"""FastMCP 4.x, which builds Python types from the output schemas: `fastmcp4.py EMAIL FIRST_NAME LAST_NAME`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

from fastmcp import Client
from fastmcp.client.auth import BearerAuth

from scenario import Called, Invitee, Server, converse, first_text, report


class FastMcp:
    def __init__(self, client: Client[Any]) -> None:
        self._client = client

    async def protocol(self) -> str:
        return str(self._client.protocol_version)

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, name: str, arguments: dict[str, Any]) -> Called:
        result = await self._client.call_tool(name, arguments, raise_on_error=False)
        return Called(result.is_error, result.structured_content, first_text(result.content))


async def run() -> dict[str, Any]:
    invitee = Invitee.from_arguments(sys.argv[1:])
    server = Server.from_environment()
    async with Client(server.url, auth=BearerAuth(server.token)) as client:
        return await converse("fastmcp", version("fastmcp"), FastMcp(client), invitee)


if __name__ == "__main__":
    report(run)

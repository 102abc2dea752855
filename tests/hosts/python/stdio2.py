"""The Python SDK, 2.x, over standard input and output: `stdio2.py auto|legacy USHER EMAIL FIRST_NAME LAST_NAME`.

Starts `USHER stdio` itself, as a desktop host does, and hands it every `USHER_…` variable of its own environment.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp2 import Mcp2
from scenario import Invitee, converse, report


async def run() -> dict[str, Any]:
    mode, usher, *rest = sys.argv[1:] or ["", ""]
    if mode not in ("auto", "legacy"):
        raise SystemExit("usage: stdio2.py auto|legacy USHER EMAIL FIRST_NAME LAST_NAME")
    invitee = Invitee.from_arguments(rest)
    ours = {name: value for name, value in os.environ.items() if name.startswith("USHER_")}
    server = StdioServerParameters(command=usher, args=["stdio"], env=ours)
    async with Client(stdio_client(server), mode=mode) as client:
        return await converse(f"mcp-python-2-stdio-{mode}", version("mcp"), Mcp2(client), invitee)


if __name__ == "__main__":
    report(run)

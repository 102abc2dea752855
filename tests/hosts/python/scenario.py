"""What every client does here: one conversation with the server, told as one JSON object.

A client module supplies a `Caller`; the steps, the checks and the report are the same for all, and the same as in
`../node/scenario.mjs`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Called:
    """A tool result as the client handed it to its host."""

    is_error: bool
    structured: Any
    text: str


class Caller(Protocol):
    """A connected client."""

    async def protocol(self) -> str: ...

    async def tools(self) -> list[str]: ...

    async def call(self, name: str, arguments: dict[str, Any]) -> Called: ...


@dataclass(frozen=True)
class Server:
    """Where to connect and as whom: `USHER_URL` and `USHER_TOKEN`."""

    url: str
    token: str

    @staticmethod
    def from_environment() -> Server:
        return Server(os.environ["USHER_URL"], os.environ["USHER_TOKEN"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Invitee:
    """The person to invite: the last three arguments of the command line."""

    email: str
    first_name: str
    last_name: str

    @staticmethod
    def from_arguments(arguments: list[str]) -> Invitee:
        if len(arguments) != 3:
            raise SystemExit("usage: CLIENT [MODE] EMAIL FIRST_NAME LAST_NAME")
        return Invitee(*arguments)


def success(name: str, called: Called) -> Any:
    """The structured content of a call that had to succeed."""
    if called.is_error:
        raise AssertionError(f"{name} failed: {called.text}")
    if called.structured is None:
        raise AssertionError(f"{name} answered without structured content")
    if json.loads(called.text) != called.structured:
        raise AssertionError(f"{name}: text and structured content differ")
    return called.structured


def refusal(name: str, called: Called, code: str) -> dict[str, Any]:
    """The body of a call that had to be refused with `code`, as a tool error and without structured content."""
    if not called.is_error:
        raise AssertionError(f"{name} succeeded where {code} was due")
    if called.structured is not None:
        raise AssertionError(f"{name}: an error carries structured content")
    body = json.loads(called.text)
    if body.get("code") != code:
        raise AssertionError(f"{name} was refused with {body.get('code')} where {code} was due")
    return {"isError": True, "code": body["code"], "field": body.get("field"), "details": body.get("details")}


async def converse(client: str, version: str, caller: Caller, invitee: Invitee) -> dict[str, Any]:
    """The conversation. Whatever the client throws ends it: a host would have shown the user a broken server."""
    invite = {"email": invitee.email, "first_name": invitee.first_name, "last_name": invitee.last_name}
    return {
        "client": client,
        "version": version,
        "protocol": await caller.protocol(),
        # First of all, because clients take the output schemas that they check results against from here.
        "tools": await caller.tools(),
        "whoami": success("whoami", await caller.call("whoami", {})),
        "listed": success("list_users", await caller.call("list_users", {})),
        "invited": success("invite_user", await caller.call("invite_user", invite)),
        "duplicate": refusal("invite_user", await caller.call("invite_user", invite), "email_already_in_use"),
        # The wrong type is refused before the tool runs, where a library's own text could slip through.
        "bad_arguments": refusal("list_users", await caller.call("list_users", {"limit": "many"}), "invalid_argument"),
    }


def report(run: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Runs the conversation and prints its report as one line; a failure goes to stderr with exit code 1."""
    import anyio

    print(json.dumps(anyio.run(run), ensure_ascii=False), flush=True)
    sys.exit(0)


def first_text(content: list[Any]) -> str:
    """The text of the first block."""
    return next((block.text for block in content if block.type == "text"), "")

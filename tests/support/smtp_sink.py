#!/usr/bin/env python3
"""An SMTP relay for the tests: accepts mail, writes down what it saw, and fails on command.

It listens on a free port of 127.0.0.1 and prints one line, `{"port": N, "ca": PATH or null}`. Each accepted
mail becomes one JSON line in `--out`; each SMTP step becomes one in `--transcript`, fault or not, so that a
test can count attempts that never became a mail.

Faults are read from `--control` before every step, so a test changes them while a delivery is under way. The file
holds one rule or a list of rules, of which the first that applies is used:

    {"step": "RCPT", "action": "451", "times": 2, "match": "ana@"}

* `step`: EHLO (also HELO), MAIL, RCPT, DATA, or DOT, the end of the message.
* `action`: `421` (answers, then hangs up), any other three digits (answers and goes on), `close` (hangs up in
  place of acting), `lost_reply` (acts, then hangs up in place of answering: at DOT the mail is kept),
  `slow` (waits `seconds`, 5 by default, then acts).
* `times`: how often the rule applies, counted from the moment the file was last written; absent: always.
* `match`: only where a recipient contains this; such a rule never applies before RCPT.

A file that is absent or empty means no fault. Write it elsewhere and rename it into place: a half-written file
stops the sink.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

STEPS = frozenset({"EHLO", "MAIL", "RCPT", "DATA", "DOT"})
DEFAULT_DELAY_SECONDS = 5.0
# The size that the sink announces; a mail beyond it is refused as a real relay would refuse it.
MAX_MESSAGE_BYTES = 10 * 1024 * 1024


class Faults:
    """The rules of the control file, re-read before each step."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._rules: list[dict[str, Any]] = []

    def take(self, step: str, recipients: list[str]) -> dict[str, Any] | None:
        """The rule that applies to this step, spending one of its `times`."""
        self._reload()
        for rule in self._rules:
            if rule["step"] != step or rule.get("times") == 0:
                continue
            match = rule.get("match")
            if match is not None and not any(match in recipient for recipient in recipients):
                continue
            if "times" in rule:
                rule["times"] -= 1
            return rule
        return None

    def _reload(self) -> None:
        if self._path is None:
            return
        try:
            with self._path.open(encoding="utf-8") as file:
                stat = os.fstat(file.fileno())
                version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if version == self._version:
                    return
                text = file.read()
        except FileNotFoundError:
            self._version, self._rules = None, []
            return
        loaded = json.loads(text) if text.strip() else []
        rules = loaded if isinstance(loaded, list) else [loaded]
        for rule in rules:
            if rule and rule.get("step") not in STEPS:
                raise ValueError(f"unknown step in {self._path}: {rule}")
        self._version, self._rules = version, [rule for rule in rules if rule]


class Journal:
    """A file of JSON lines, each written whole."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("ab", buffering=0) if path else None

    def write(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")


class Sink:
    """What all connections share; also the handler that aiosmtpd calls."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.faults = Faults(options.control)
        self.mails = Journal(options.out)
        self.transcript = Journal(options.transcript)
        self.credentials = options.auth

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        given = data.login + b":" + data.password if isinstance(data, LoginPassword) else b""
        expected = (self.credentials or "").encode()
        return AuthResult(success=secrets.compare_digest(given, expected), handled=False)

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self.credentials:
            return responses
        # Without an account there is nothing to offer, yet aiosmtpd always offers AUTH under TLS.
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_DATA(self, server: Connection, session: Session, envelope: Envelope) -> str:
        fault = await server.fault("DOT", "", envelope.rcpt_tos)
        if fault is not None and re.fullmatch(r"\d{3}", fault["action"]):
            return refusal(fault["action"])
        self._record(server, session, envelope)
        if fault is not None and fault["action"] == "lost_reply":
            await server.hang_up()
        return "250 2.0.0 accepted"

    def _record(self, server: Connection, session: Session, envelope: Envelope) -> None:
        raw: bytes = envelope.original_content or b""
        # The headers stay bytes as sent: a parser would hide a smuggled line.
        headers = raw.partition(b"\r\n\r\n")[0]
        message_id = re.search(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?(\S+)", headers, re.IGNORECASE | re.MULTILINE)
        self.mails.write(
            {
                "at": time.time(),
                "envelope_from": envelope.mail_from,
                "envelope_to": envelope.rcpt_tos,
                "mail_options": envelope.mail_options,
                "ehlo": session.host_name,
                "tls": server.transport is not None and server.transport.get_extra_info("ssl_object") is not None,
                "authenticated": bool(session.authenticated),
                "message_id": message_id[1].decode("utf-8", "surrogateescape") if message_id else None,
                "headers": headers.decode("utf-8", "backslashreplace"),
                "raw": base64.b64encode(raw).decode(),
            }
        )


class Connection(SMTP):
    """One connection: every step asks for a fault first."""

    event_handler: Sink

    async def fault(self, step: str, argument: str, recipients: list[str]) -> dict[str, Any] | None:
        """Applies what happens before the step and returns the rule for what is left to do."""
        try:
            rule = self.event_handler.faults.take(step, recipients)
        except ValueError as error:
            # A broken control file is a broken test: nothing that the sink could answer would show it.
            print(f"smtp_sink: {error}", file=sys.stderr, flush=True)
            os._exit(2)
        action = rule["action"] if rule else None
        self.event_handler.transcript.write({"at": time.time(), "step": step, "argument": argument, "fault": action})
        if rule is None:
            return None
        if action == "slow":
            await asyncio.sleep(float(rule.get("seconds", DEFAULT_DELAY_SECONDS)))
            return None
        if action == "close":
            await self.hang_up()
        if action == "421":
            await self.push(refusal(action))
            await self.hang_up()
        return rule

    async def hang_up(self) -> None:
        """Ends the connection with no further reply."""
        if self.transport is not None:
            self.transport.close()
        # Losing the connection cancels this coroutine; until then nothing may be answered.
        await asyncio.Event().wait()

    async def _step(self, step: str, argument: str, act: Any, recipients: list[str]) -> None:
        rule = await self.fault(step, argument, recipients)
        if rule is None:
            await act(argument)
        elif rule["action"] == "lost_reply":
            await self.hang_up()
        else:
            await self.push(refusal(rule["action"]))

    async def smtp_EHLO(self, hostname: str) -> None:
        await self._step("EHLO", hostname, super().smtp_EHLO, [])

    async def smtp_HELO(self, hostname: str) -> None:
        await self._step("EHLO", hostname, super().smtp_HELO, [])

    async def smtp_MAIL(self, arg: str) -> None:
        await self._step("MAIL", arg, super().smtp_MAIL, [])

    async def smtp_RCPT(self, arg: str) -> None:
        await self._step("RCPT", arg, super().smtp_RCPT, [arg])

    async def smtp_DATA(self, arg: str) -> None:
        recipients = self.envelope.rcpt_tos if self.envelope else []
        await self._step("DATA", arg or "", super().smtp_DATA, recipients)


def refusal(code: str) -> str:
    """A reply with this code, its enhanced code of the same class."""
    return f"{code} {code[0]}.0.0 refused by the test"


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A throwaway authority and a certificate of it for 127.0.0.1 and localhost."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=smtp sink authority")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "server.ext").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-out", "server.pem", "-days", "2", "-extfile", "server.ext"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context, folder / "ca.pem"


async def serve(options: argparse.Namespace, folder: Path) -> None:
    """Serves until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    context, authority = certificate(folder) if options.tls else (None, None)
    starttls = options.tls == "starttls"
    sink = Sink(options)

    def connection() -> Connection:
        return Connection(
            sink,
            loop=loop,
            hostname="sink.test",
            ident="test relay",
            data_size_limit=MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=options.smtputf8 == "on",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=options.auth is not None,
            auth_require_tls=starttls,
            authenticator=sink.authenticate,
        )

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=context if options.tls == "implicit" else None)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"port": port, "ca": str(authority) if authority else None}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP relay for tests.", allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True, help="file that gets one JSON line per accepted mail")
    parser.add_argument("--transcript", type=Path, help="file that gets one JSON line per SMTP step")
    parser.add_argument("--control", type=Path, help="file with the faults to show")
    parser.add_argument("--smtputf8", choices=("on", "off"), default="on", help="whether SMTPUTF8 is offered")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="refuse mail without this account")
    parser.add_argument(
        "--tls", nargs="?", const="starttls", choices=("starttls", "implicit"), help="demand TLS, by STARTTLS or at once"
    )
    options = parser.parse_args()
    # An account without TLS is meant here, though aiosmtpd warns of it on each connection.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="aiosmtpd")
    with tempfile.TemporaryDirectory(prefix="smtp-sink-") as folder:
        asyncio.run(serve(options, Path(folder)))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Reads one mail from stdin as a mail program would, and says in one line of JSON what it holds.

`headers`: the names, in order. `from`, `to`: pairs of name and address. `subject`, `date`, `message_id`. `text`, `html`: both
parts, decoded. `loads`: every address that an attribute of the HTML names, `visible`: what a reader of the HTML sees.
"""

from __future__ import annotations

import email
import json
import sys
from email import policy
from email.header import decode_header, make_header
from email.utils import getaddresses
from html.parser import HTMLParser

# Attributes that make a mail program fetch or open something.
ADDRESSES = frozenset({"href", "src", "srcset", "action", "formaction", "background", "poster", "data", "cite", "ping", "xlink:href"})


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.visible: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag in ("style", "script", "title")
        self.loads += [value or "" for name, value in attrs if name in ADDRESSES]
        self.loads += [value for name, value in attrs if name == "style" and value and "url(" in value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.visible.append(data)
        elif "url(" in data or "@import" in data:
            self.loads.append(data)


def main() -> None:
    raw = sys.stdin.buffer.read()
    mail = email.message_from_bytes(raw, policy=policy.default)
    plain = email.message_from_bytes(raw)

    def people(name: str) -> list[list[str]]:
        # By the older of the library's two parsers: the newer puts a space between the halves of a name that is folded.
        headers = [str(header) for header in plain.get_all(name, [])]
        return [[str(make_header(decode_header(shown))), address] for shown, address in getaddresses(headers)]

    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None and html is not None, "a mail has both parts"
    reader = Reader()
    reader.feed(html.get_content())
    json.dump(
        {
            "headers": list(mail.keys()),
            "from": people("from"),
            "to": people("to"),
            "subject": mail["subject"],
            "date": int(mail["date"].datetime.timestamp()),
            "message_id": mail["message-id"],
            "parts": [part.get_content_type() for part in mail.walk()],
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "text": text.get_content(),
            "html": html.get_content(),
            "loads": reader.loads,
            "tags": sorted(set(reader.tags)),
            "visible": " ".join(" ".join(reader.visible).split()),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()

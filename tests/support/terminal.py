#!/usr/bin/env python3
"""Runs a command at a terminal and types one line once it is not shown: terminal.py LINE COMMAND…

Says in one line of JSON its exit `code`, its `stdout` and `stderr`, which are no terminal, and what the terminal `showed`.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import termios
import threading

line, command = sys.argv[1], sys.argv[2:]
master, slave = pty.openpty()


def at_the_terminal() -> None:
    """The terminal becomes the one that `/dev/tty` names."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
    child = subprocess.Popen(command, stdin=slave, stdout=out, stderr=err, preexec_fn=at_the_terminal)
    late = threading.Timer(60, child.kill)
    late.start()
    typed = False
    shown = b""
    while child.poll() is None:
        if not typed and not termios.tcgetattr(master)[3] & termios.ECHO:
            os.write(master, line.encode() + b"\n")
            typed = True
        if select.select([master], [], [], 0.02)[0]:
            shown += os.read(master, 4096)
    late.cancel()
    while select.select([master], [], [], 0)[0]:
        shown += os.read(master, 4096)
    said = []
    for file in (out, err):
        file.seek(0)
        said.append(file.read().decode())
print(json.dumps({"code": child.returncode, "stdout": said[0], "stderr": said[1], "showed": shown.decode()}))

"""A server over its standard streams: `python -I -S bench/stubs/lines.py TOOLS ERA`.

Its tool `slow` answers half a second later, and what comes meanwhile is answered meanwhile.
"""

import json
import os
import select
import sys
import time
from collections import deque

# Started with -I -S, which is what makes fifty of them start quickly.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from bench.stubs.answers import Answers, key_of, name_of, text_of

PAUSE = 0.5  # seconds
_RESULT = b'{"jsonrpc":"2.0","id":%b,"result":%b}\n'


def serve(answers: Answers) -> None:
    due: deque[tuple[float, bytes]] = deque()
    rest = b""
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        if select.select([0], [], [], wait)[0]:
            data = os.read(0, 1 << 20)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            _write(b"".join(answer for line in lines if (answer := _answer(line, answers, due))))
        while due and due[0][0] <= time.monotonic():
            _write(due.popleft()[1])


def _answer(line: bytes, answers: Answers, due: deque[tuple[float, bytes]]) -> bytes:
    if b'"tools/call"' in line:
        name = name_of(line)
        if name.startswith(b"tool-"):
            return _RESULT % (key_of(line), answers.call)
        if name == b"echo":
            return _RESULT % (key_of(line), answers.echo % text_of(line))
        if name == b"slow":
            due.append((time.monotonic() + PAUSE, _RESULT % (key_of(line), answers.call)))
            return b""
    message = json.loads(line)
    return answers.slowly(message) + b"\n" if "id" in message and "method" in message else b""


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    serve(Answers(int(sys.argv[1]), sys.argv[2]))

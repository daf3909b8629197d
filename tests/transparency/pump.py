"""The process of a scripted stdio server: what comes in goes to the test, and what the test says goes out."""

import os
import socket
import sys
import threading

_CHUNK = 65_536


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as test:
        test.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_out, args=(test,), daemon=True).start()
        while chunk := os.read(0, _CHUNK):
            test.sendall(chunk)


def _out(test: socket.socket) -> None:
    while chunk := test.recv(_CHUNK):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

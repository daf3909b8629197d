import asyncio
import socket

from tests.runtime.egress.conftest import Run
from toolgate.runtime.egress.resolver import Datagrams, serve_stream


def doubled(query: bytes) -> bytes | None:
    return query * 2 if query != b"silent" else None


def test_questions_on_a_stream_are_answered_one_after_the_other(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            task = asyncio.ensure_future(serve_stream(theirs, doubled))
            await loop.sock_sendall(ours, b"\0\1a\0\6silent\0")
            await loop.sock_sendall(ours, b"\2bc")
            received = b""
            while len(received) < 10:
                received += await loop.sock_recv(ours, 100)
            assert received == b"\0\2aa\0\4bcbc"
            ours.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(task, 5)

    run(scenario())


def test_a_question_on_a_stream_that_is_too_long_ends_it(run: Run) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            ours.sendall(b"\xff\xff" + b"a" * 1000)
            await asyncio.wait_for(serve_stream(theirs, doubled), 5)

    run(scenario())


def test_a_flood_of_questions_is_answered_at_a_pace(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            bound.bind(("127.0.0.1", 0))
            ours.setblocking(False)
            ours.connect(bound.getsockname())
            answers = 0

            def answer(query: bytes) -> bytes:
                nonlocal answers
                answers += 1
                return query

            datagrams = Datagrams(bound, answer)
            began = loop.time()
            while answers < 230:
                for _ in range(20):
                    ours.send(b"question")
                await asyncio.sleep(0)
            assert loop.time() - began >= 30 / 200 - 0.02
            assert await loop.sock_recv(ours, 100) == b"question"
            datagrams.shut()
            assert bound.fileno() == -1

    run(scenario())

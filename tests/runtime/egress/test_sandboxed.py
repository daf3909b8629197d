"""From inside real sandboxes, with programs that know nothing of it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.runtime.egress.conftest import Run
from tests.runtime.egress.origin import BIG, PUBLIC, Outside, outside
from tests.runtime.egress.sandbox import sandboxed
from toolgate.runtime.egress.egress import Egress, Limits
from toolgate.runtime.egress.entering import NotEntered

CLIENTS = {
    "node fetch": (
        "node",
        "-e",
        "Promise.all(process.argv.slice(2).map(u => fetch(u).then(r => r.text()))).then(t => console.log(t.join()))",
    ),
    "node https": (
        "node",
        "-e",
        "for (const u of process.argv.slice(2)) require(u.split(':')[0]).get(u, r => r.pipe(process.stdout))",
    ),
    "urllib": (
        sys.executable,
        "-c",
        "import sys, urllib.request as r\nfor u in sys.argv[2:]: print(r.urlopen(u, timeout=9).read().decode())",
    ),
    "httpx": (
        sys.executable,
        "-c",
        "import sys, ssl, httpx2 as h\nc = h.Client(verify=ssl.create_default_context(cafile=sys.argv[1]))\n"
        "for u in sys.argv[2:]: print(c.get(u).text)",
    ),
    "aiohttp": (
        sys.executable,
        "-c",
        "import sys, asyncio, aiohttp\n"
        "async def main():\n async with aiohttp.ClientSession() as s:\n"
        "  for u in sys.argv[2:]:\n   async with s.get(u) as r: print(await r.text())\n"
        "asyncio.run(main())",
    ),
    "curl": ("sh", "-c", 'f="$1"; shift; exec curl -sS --max-time 9 --cacert "$f" "$@"', "sh"),
}

ADDRESSES = (
    f"{PUBLIC}:443",
    "127.0.0.1:{}",
    "10.0.0.1:80",
    "169.254.169.254:80",
    "192.168.1.1:443",
    "[::1]:{}",
    "[2606:4700::1]:443",
)


@asynccontextmanager
async def outwards(
    certificate: Path, *allowed: str, limits: Limits | None = None
) -> AsyncIterator[tuple[Outside, Egress, list[str]]]:
    told: list[str] = []
    async with outside(certificate) as world:
        egress = Egress(allowed, told.append, resolve=world.resolve, dial=world.dial, limits=limits)
        yield world, egress, told


def open_sockets() -> set[str]:
    """And what else the gateway holds of a sandbox: the descriptor of its process."""
    links = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            links.add(str(each.readlink()))
    return {link for link in links if link.startswith(("socket:", "anon_inode:[pidfd]"))}


def trusting(certificate: Path, *command: str) -> tuple[str, ...]:
    ca = str(certificate)
    return ("env", f"SSL_CERT_FILE={ca}", f"NODE_EXTRA_CA_CERTS={ca}", *command)


@pytest.mark.parametrize("client", CLIENTS)
def test_an_unmodified_client_reaches_what_was_granted(client: str, run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com", "*.example.com") as (world, egress, told):
            urls = ("https://api.example.com/", "http://api.example.com/", "https://deep.example.com/")
            command = trusting(certificate, *CLIENTS[client], str(certificate), *urls)
            async with sandboxed(egress, *command, shown=(certificate,)) as inside:
                said = await inside.said()
            assert said.count("this is api.example.com") == 2, said
            assert said.count("this is deep.example.com") == 1, said
            assert sorted(world.dialled) == [(PUBLIC, 80), (PUBLIC, 443), (PUBLIC, 443)]
            assert told == []

    run(scenario())


def test_what_is_large_arrives_whole(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com") as (_, egress, _):
            script = 'for u in "$@"; do curl -sS --cacert ' + str(certificate) + ' "$u" | (sleep 0.05; wc -c); done'
            urls = ("https://api.example.com/big", "http://api.example.com/big")
            async with sandboxed(egress, "sh", "-c", script, "sh", *urls, shown=(certificate,)) as inside:
                assert (await inside.said()).split() == [str(BIG), str(BIG)]

    run(scenario())


def test_a_port_is_reached_only_where_it_was_named(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com:8443", "other.example.org") as (world, egress, told):
            urls = [
                f"https://{host}/" for host in ("api.example.com:8443", "api.example.com", "other.example.org:8443")
            ]
            script = (
                f'for u in "$@"; do curl -sS --max-time 5 --cacert {certificate} "$u" 2>/dev/null || echo " no"; done'
            )
            async with sandboxed(egress, "sh", "-c", script, "sh", *urls, shown=(certificate,)) as inside:
                assert await inside.said() == "this is api.example.com:8443 no\n no\n"
            assert world.dialled == [(PUBLIC, 8443)]
            assert "`network: [api.example.com:443]`" in told[0]
            assert "`network: [other.example.org:8443]`" in told[1]

    run(scenario())


def test_an_address_of_a_private_network_is_reached_where_it_was_written(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "10.0.0.5:80", "private:db.corp:80") as (world, egress, told):
            world.answers["db.corp"] = [["10.9.9.9"]]
            async with sandboxed(egress, "curl", "-sS", "http://10.0.0.5/", "http://db.corp/") as inside:
                assert await inside.said() == "this is 10.0.0.5this is db.corp"
            assert world.dialled == [("10.0.0.5", 80), ("10.9.9.9", 80)]
            assert told == []

    run(scenario())


def test_a_program_on_this_machine_is_reached_where_its_port_was_written(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "127.0.0.1:8080") as (world, egress, _):
            world.ports[8080] = world.ports[80]
            urls = ("http://localhost:8080/", "http://127.0.0.1:8080/")
            async with sandboxed(egress, "curl", "-sS", *urls) as inside:
                assert await inside.said() == "this is localhost:8080this is 127.0.0.1:8080"
            assert world.dialled == [("127.0.0.1", 8080)] * 2

    run(scenario())


def test_no_address_is_reached_that_was_not_handed_out(certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "*") as (world, egress, _):
            addresses = [each.format(world.ports[80]) for each in ADDRESSES]
            script = 'for a in "$@"; do curl -sk --max-time 5 "http://$a/" "https://$a/" && echo "$a"; done; echo end'
            async with sandboxed(egress, "sh", "-c", script, "sh", *addresses) as inside:
                assert await inside.said() == "end\n"
            assert (world.asked, world.dialled) == ([], [])

    asyncio.run(scenario())


def test_a_redirect_leads_nowhere_else(certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com") as (world, egress, told):
            targets = (f"http://127.0.0.1:{world.ports[80]}/", "http://169.254.169.254/", "http://evil.example.net/")
            urls = [f"http://api.example.com/to/{target}" for target in targets]
            script = 'for u in "$@"; do curl -sSL --max-time 5 "$u" 2>/dev/null; echo $?; done'
            async with sandboxed(egress, "sh", "-c", script, "sh", *urls) as inside:
                assert (await inside.said()).split() == ["7", "7", "6"]
            assert len(world.requests) == 3
            assert world.asked == ["api.example.com"] * 3
            assert told == [
                "evil.example.net was not reached: this server is not allowed to. "
                "To allow it: `network: [evil.example.net]`"
            ]

    asyncio.run(scenario())


def test_a_name_that_changes_its_address_is_not_followed(certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com") as (world, egress, told):
            world.answers["api.example.com"] = [[PUBLIC], ["127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"]]
            script = 'for u in 1 2 3 4; do curl -s --max-time 5 "http://api.example.com/" || echo " no"; done'
            async with sandboxed(egress, "sh", "-c", script) as inside:
                assert await inside.said() == "this is api.example.com no\n no\n no\n"
            assert world.dialled == [(PUBLIC, 80)]
            assert "127.0.0.1 is not public but loopback; where a program on this machine is meant" in told[0]
            assert "169.254.169.254 is not public but a cloud's metadata service" in told[1]
            assert (
                "::ffff:10.0.0.1 is not public but an IPv4 address in disguise" in told[2] or "::ffff:a00:1" in told[2]
            )

    asyncio.run(scenario())


def test_a_foreign_sni_is_refused(certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com", "other.example.org") as (world, egress, told):
            script = (
                'for t in "$@"; do curl -sk --connect-to ::api.example.com:443 "https://$t/" || echo no; done\n'
                "curl -sk http://api.example.com:443/ || echo no"
            )
            names = ("evil.example.net", "other.example.org", PUBLIC)
            async with sandboxed(egress, "sh", "-c", script, "sh", *names) as inside:
                assert (await inside.said()).split() == ["no"] * 4
            assert world.dialled == []
            assert [sentence.partition("refused: ")[2] for sentence in told] == [
                "its TLS is for 'evil.example.net' (SNI)",
                "its TLS is for 'other.example.org' (SNI)",
                "its TLS names no host (SNI)",
                "it does not speak TLS",
            ]

    asyncio.run(scenario())


def test_a_foreign_host_header_is_refused_also_in_a_later_request(certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com") as (world, egress, told):
            script = (
                "curl -s --max-time 5 -H 'Host: evil.example.net' http://api.example.com/ || echo no;"
                "curl -s --max-time 5 http://api.example.com/ --next -s -H 'Host: evil.example.net' http://api.example.com/"
                "|| echo ' no'"
            )
            async with sandboxed(egress, "sh", "-c", script) as inside:
                assert await inside.said() == "no\nthis is api.example.com no\n"
            assert world.requests == ["api.example.com/"]
            assert told == ["a connection to api.example.com:80 was refused: its request is for 'evil.example.net'"]

    asyncio.run(scenario())


def test_names_that_were_not_granted_never_leave(certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com") as (world, egress, told):
            script = (
                "import socket\nfailed = 0\n"
                "for n in range(150):\n"
                " try: socket.getaddrinfo(f'secret{n}.evil.example.net', 80)\n"
                " except socket.gaierror: failed += 1\n"
                "print(failed)"
            )
            async with sandboxed(egress, sys.executable, "-c", script) as inside:
                assert await inside.said() == "150\n"
            assert (world.asked, world.dialled) == ([], [])
            assert "secret0.evil.example.net" in told[0]
            assert len(told) == 65

    asyncio.run(scenario())


def test_a_flood_of_connections_waits_for_itself(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        limits = Limits(connections=8, opening=0.1)
        async with outwards(certificate, "api.example.com", limits=limits) as (world, egress, _):
            script = (
                "import socket, urllib.request\n"
                "silent = [socket.create_connection(('api.example.com', 80)) for _ in range(40)]\n"
                "for each in silent: each.send(b'GET')\n"
                "print(urllib.request.urlopen('http://api.example.com/', timeout=15).read().decode())"
            )
            before = len(asyncio.all_tasks())
            most = 0
            async with sandboxed(egress, sys.executable, "-c", script) as inside:
                answer = asyncio.ensure_future(inside.said())
                while not answer.done():
                    most = max(most, len(asyncio.all_tasks()) - before)
                    await asyncio.wait([answer], timeout=0.02)
                assert "this is api.example.com" in await answer
            assert most <= 8 + 4  # and what this test and the host outside run
            assert len(world.dialled) == 1

    run(scenario())


def test_nothing_is_left_when_the_sandbox_dies(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outwards(certificate, "api.example.com:80") as (world, egress, _):
            tasks, sockets = len(asyncio.all_tasks()), open_sockets()
            script = (
                "import socket, time\ns = socket.create_connection(('api.example.com', 80))\n"
                "s.send(b'GET / HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n')\n"
                "print(s.recv(4), flush=True)\ntime.sleep(99)"
            )
            async with sandboxed(egress, sys.executable, "-c", script) as inside:
                assert inside.process.stdout
                await asyncio.wait_for(inside.process.stdout.readline(), 10)
                assert open_sockets() - sockets
                inside.process.kill()
                await inside.process.communicate()
                async with asyncio.timeout(10):  # the kernel tells of a death in its own time
                    while len(asyncio.all_tasks()) > tasks or open_sockets() - sockets:  # noqa: ASYNC110
                        await asyncio.sleep(0)
            assert len(world.dialled) == 1

    run(scenario())


def test_a_process_without_a_network_of_its_own_is_not_entered(run: Run) -> None:
    async def scenario() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        egress = Egress(["api.example.com"], lambda _: None)
        try:
            with pytest.raises(NotEntered, match="no network of its own"):
                await egress.enter(process.pid)
        finally:
            process.kill()
            await process.wait()
            await egress.close()
        with pytest.raises(NotEntered, match="No such process"):
            await Egress([], lambda _: None).enter(process.pid)

    run(scenario())

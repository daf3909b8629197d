"""Every block of the documentation is run, or read by what would read it."""

import asyncio
import json
import os
import shlex
import signal
from pathlib import Path

import psutil
import pytest

from tests.docs.pages import PAGES, Block, Command, blocks, commands
from tests.parts.where import ROOT, Parts
from tests.running import TOOLGATE, clean_environment, free_port
from toolgate.config.load import read_document

_ON_THE_PAGE = "8765"
_APPEARS_WITHIN = 45.0  # seconds; servers are started by then
_READ_BY = {"console", "json", "sh", "text", "yaml"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language == language]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_each_block_says_what_it_is(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= _READ_BY


@pytest.mark.parametrize("block", _blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", [block for block in _blocks("yaml") if not block.wrong], ids=str)
def test_yaml_is_a_configuration(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "toolgate.yaml"
    file.write_text(block.text)
    assert read_document(file, {}).version == 1


@pytest.mark.parametrize("page", [page for page in PAGES if "```console" in page.read_text()], ids=_name)
async def test_the_commands_of_a_page_do_what_it_shows(page: Path, parts: Parts, tmp_path: Path) -> None:
    async with Reader(tmp_path, parts) as reader:
        for block in blocks(page):
            if block.file:
                (reader.folder / block.file).write_text(block.text)
            if block.language == "console":
                for command in commands(block):
                    await reader.type(command)


class Reader:
    """Somebody who types what the page shows, in an empty folder that has the packages of npm at hand."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        home, self.folder = folder / "home", folder / "work"
        self.port = str(free_port())
        self.env = {
            **clean_environment(home),
            "PATH": f"{Path(TOOLGATE).parent}:{os.environ['PATH']}",
            "TOOLGATE_LISTEN": f"127.0.0.1:{self.port}",
        }
        self.running: list[asyncio.subprocess.Process] = []
        home.mkdir()
        self.folder.mkdir()
        # Where npx looks first: it then needs no network.
        (folder / "node_modules").symlink_to(parts.npm / "node_modules")

    async def __aenter__(self) -> "Reader":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ctrl-C in the terminal where the gateway runs. It must end with 0 and leave nothing."""
        for process in self.running:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(30):
                assert await process.wait() == 0
            assert not await asyncio.to_thread(lambda: psutil.wait_procs(children, timeout=5)[1])  # noqa: B023

    async def type(self, command: Command) -> None:
        if command.line.endswith(" &"):
            await self._start(command)
            return
        again = command.line == "toolgate status"  # a person looks until the server is ready
        async with asyncio.timeout(_APPEARS_WITHIN):
            while True:
                code, output = await self._run(command.line)
                if not again or self._missing(command, output) is None:
                    break
        assert code == 0, f"{command.line} ended with {code}:\n{output}"
        missing = self._missing(command, output)
        assert missing is None, f"{command.line} does not show {missing!r}:\n{output}"

    async def _run(self, line: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_shell(
            line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self.env, cwd=self.folder
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    async def _start(self, command: Command) -> None:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command.line.removesuffix(" &")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self.env,
            cwd=self.folder,
        )
        self.running.append(process)
        assert process.stdout is not None
        output = ""
        async with asyncio.timeout(_APPEARS_WITHIN):
            while (missing := self._missing(command, output)) is not None:
                line = await process.stdout.readline()
                assert line, f"{command.line} does not show {missing!r}:\n{output}"
                output += line.decode()

    def _missing(self, command: Command, output: str) -> str | None:
        """The first line that the page shows and the output does not have. The page may leave out words of a line."""
        lines = [line.split() for line in output.splitlines()]
        for seen in command.sees:
            words = seen.replace(_ON_THE_PAGE, self.port).split()
            if not any(_in_order(words, line) for line in lines):
                return seen
        return None


def _in_order(words: list[str], line: list[str]) -> bool:
    rest = iter(line)
    return all(any(word in found for found in rest) for word in words)

"""`toolgate vault`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from toolgate.cli.options import config_option, json_option
from toolgate.cli.output import print_json, print_table
from toolgate.cli.settings import Settings
from toolgate.secrets.master_key import VARIABLE, VARIABLE_OF_FILE, key_of_file, master_key, replace_own
from toolgate.secrets.vault import Vault
from toolgate.store.database import Database
from toolgate.store.vault import SealedSecrets

__all__ = ["vault"]

_T = TypeVar("_T")


@click.group(epilog="Example:  toolgate vault list")
def vault() -> None:
    """Show what is in the vault, and change its master key."""


@vault.command(name="list", epilog="Example:  toolgate vault list --json")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List the names of all secrets and whose they are; never a value."""
    known = _with_vault(config, lambda held: held.all_names())
    if as_json:
        print_json({"secrets": [{"owner": owner, "name": name, "version": version} for owner, name, version in known]})
        return
    rows = [(owner or "-", name, str(version)) for owner, name, version in known]
    print_table(("OWNER", "NAME", "VERSION"), rows)


@vault.command(epilog="Example:  toolgate vault rekey --to /etc/toolgate/master.key")
@click.option("--to", "file", required=True, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="The file with the new key, which is made where it is missing.")  # fmt: skip
@config_option
@json_option
def rekey(file: Path, config: Path | None, as_json: bool) -> None:
    """Put all secrets under another master key. None of them is opened; all are, or none."""
    settings = Settings(config)
    new = key_of_file(file)
    count = _with_vault(config, lambda held: held.rewrap(new))
    named = next((name for name in (VARIABLE, VARIABLE_OF_FILE) if settings.env.get(name)), "")
    if not named:
        replace_own(settings.state, new)
    if as_json:
        print_json({"secrets": count, "file": str(file), "set": named or None})
        return
    click.echo(f"{count} secrets are under the key in {file} now")
    if named:
        click.echo(f"give gateways that key: {VARIABLE_OF_FILE}={file}, and no {VARIABLE}")


def _with_vault(config: Path | None, work: Callable[[Vault], Awaitable[_T]]) -> _T:
    settings = Settings(config)

    async def run() -> _T:
        database = await Database.open(settings.document().database, settings.state)
        try:
            return await work(Vault(SealedSecrets(database), lambda make: master_key(os.environ, settings.state, make)))
        finally:
            await database.close()

    return asyncio.run(run())

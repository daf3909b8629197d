"""Where MCP clients keep their servers: data, one row a client.

`{home}` is the user's folder; `{app}` is where programs keep their settings: `~/.config` on Linux,
`~/Library/Application Support` on macOS, `%APPDATA%` on Windows; `{claude}` is the folder of Claude Code's own file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["CLIENTS", "Client", "user_file"]


@dataclass(frozen=True, slots=True)
class Client:
    """`root` is the key that the servers stand under. `per_folder`: the user's file also has servers for single
    folders, under `projects`."""

    name: str
    user: str
    project: str = ""
    root: str = "mcpServers"
    per_folder: bool = False


CLIENTS: Final[Mapping[str, Client]] = {
    client.name: client
    for client in (
        Client("cursor", "{home}/.cursor/mcp.json", ".cursor/mcp.json"),
        Client("claude-desktop", "{app}/Claude/claude_desktop_config.json"),
        Client("claude-code", "{claude}/.claude.json", ".mcp.json", per_folder=True),
        Client("vscode", "{app}/Code/User/mcp.json", ".vscode/mcp.json", root="servers"),
    )
}


def user_file(client: Client, env: Mapping[str, str], home: Path, platform: str) -> Path:
    """`platform` as `sys.platform` has it."""
    if platform == "win32":
        app = Path(env.get("APPDATA") or home / "AppData" / "Roaming")
    elif platform == "darwin":
        app = home / "Library" / "Application Support"
    else:
        app = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    claude = env.get("CLAUDE_CONFIG_DIR") or home
    return Path(client.user.format(home=home, app=app, claude=claude))

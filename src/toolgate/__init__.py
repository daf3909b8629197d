"""Toolgate: one guarded door between every agent and every MCP server."""

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"

"""nginx as the measure of what passing a request on costs: one worker, `proxy_pass`, kept-alive connections."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.child import Child, Unavailable, started
from bench.ready import until_listening
from tests.running import free_port

__all__ = ["Nginx", "nginx"]

_CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  upstream stub {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://stub; }} }}
  server {{
    listen 127.0.0.1:{unbuffered} backlog=4096;
    location / {{ proxy_pass http://stub; proxy_buffering off; }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """The upstream's URL as nginx serves it; through `unbuffered` without waiting for more of an answer."""

    url: str
    unbuffered: str
    child: Child


def _program() -> str:
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unavailable("nginx is not installed (Debian: apt-get install nginx-light)")
    return found


@asynccontextmanager
async def nginx(upstream: str, folder: Path, core: int) -> AsyncIterator[Nginx]:
    """Raises `Unavailable`."""
    program = _program()
    path, port, unbuffered = urlsplit(upstream).path, free_port(), free_port()
    config = _configured(folder, upstream, port, unbuffered)
    log = folder / "output.log"
    async with started([program, "-c", str(config), "-p", str(folder)], log, core) as child:
        await until_listening(port, child)
        yield Nginx(f"http://127.0.0.1:{port}{path}", f"http://127.0.0.1:{unbuffered}{path}", child)


def _configured(folder: Path, upstream: str, port: int, unbuffered: int) -> Path:
    folder.mkdir()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # its workers have to reach the folder, as ours do
    where = urlsplit(upstream).netloc
    config.write_text(_CONFIG.format(user=user, folder=folder, upstream=where, port=port, unbuffered=unbuffered))
    return config

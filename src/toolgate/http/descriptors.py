"""How many connections this process may have."""

import sys
from typing import Final

__all__ = ["allow_many", "allowed"]

_WANTED: Final = 65_536
_UNLIMITED: Final = 1 << 20

if sys.platform == "win32":

    def allow_many() -> None:
        """Nothing bounds them there."""

    def allowed() -> int:
        """Files and sockets that may be open."""
        return _UNLIMITED

else:
    import resource

    def allow_many() -> None:
        """Use what the system lets this process have: shells begin with 1,024, for the sake of programs that would
        not know what to do with more."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

    def allowed() -> int:
        """Files and sockets that may be open."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return _UNLIMITED if soft == resource.RLIM_INFINITY else soft

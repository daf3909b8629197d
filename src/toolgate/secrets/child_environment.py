"""The environment of a child: what it is given, and a short list of what is safe to pass on."""

import re
import sys
from collections.abc import Mapping
from typing import Final

__all__ = ["child_environment"]

# What programs need to run at all, to find their files, to speak the person's language and to reach the network.
# Settings of package tools (UV_*, NPM_CONFIG_*, PIP_INDEX_URL) are left out: they can hold credentials.
_SAFE: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|TERM|XDG_[A-Z_]+"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|PIP_CERT"
    r"|(?:HTTP|HTTPS|ALL|NO)_PROXY|(?:http|https|all|no)_proxy"
)
_SAFE_ON_WINDOWS: Final = re.compile(
    r"ALLUSERSPROFILE|APPDATA|COMMONPROGRAMFILES(?:\(X86\))?|COMPUTERNAME|COMSPEC|HOMEDRIVE|HOMEPATH|LOCALAPPDATA"
    r"|NUMBER_OF_PROCESSORS|OS|PATHEXT|PROCESSOR_ARCHITECTURE|PROGRAMDATA|PROGRAMFILES(?:\(X86\))?|PROGRAMW6432"
    r"|PUBLIC|SYSTEMDRIVE|SYSTEMROOT|TEMP|TMP|USERNAME|USERPROFILE|WINDIR",
    re.IGNORECASE,
)


def child_environment(
    parent: Mapping[str, str], own: Mapping[str, str], platform: str = sys.platform
) -> dict[str, str]:
    """The variables for a child. `own` is what its definition gives it, resolved; it wins over what is passed on."""
    windows = platform == "win32"
    passed = {name: value for name, value in parent.items() if _is_safe(name, value, windows=windows)}
    if windows:  # where PATH and Path are one variable
        replaced = {name.upper() for name in own}
        passed = {name: value for name, value in passed.items() if name.upper() not in replaced}
    return passed | dict(own)


def _is_safe(name: str, value: str, *, windows: bool) -> bool:
    # Shells of old export functions as variables, and a child that is a shell would define them.
    if value.startswith("()"):
        return False
    if windows:
        return bool(_SAFE_ON_WINDOWS.fullmatch(name) or _SAFE.fullmatch(name.upper()))
    return _SAFE.fullmatch(name) is not None

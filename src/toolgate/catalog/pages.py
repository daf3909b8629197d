"""Pages of a list. A cursor names the last item of the page before, so that it outlives a new snapshot."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Malformed
from typing import Final

from toolgate.catalog.snapshot import Listing
from toolgate.errors import InvalidParams
from toolgate.protocol.envelope import dump

__all__ = ["PAGE", "page"]

PAGE: Final = 1_000  # items; large, since many clients never ask for the second page


def page(listing: Listing, member: str, cursor: str | None) -> bytes:
    """The members of a list result, without the braces around them: the items, and `nextCursor` where more follow.

    Raises `InvalidParams` for a cursor that is malformed or whose item is gone (2026-07-28, Pagination).
    """
    try:
        last = urlsafe_b64decode(cursor).decode("utf-8", "surrogatepass") if cursor is not None else None
        entries = listing.after(last, PAGE + 1)
    except (Malformed, UnicodeError, ValueError, KeyError):
        raise InvalidParams("the cursor is not valid (any more): list again from the beginning") from None
    body = dump(member) + b":[" + b",".join([entry.item for entry in entries[:PAGE]]) + b"]"
    if len(entries) > PAGE:
        last = entries[PAGE - 1].name
        body += b',"nextCursor":' + dump(urlsafe_b64encode(last.encode("utf-8", "surrogatepass")).decode())
    return body

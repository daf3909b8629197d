"""The SDK reads this when it is first imported: what is not there on loopback is not there a second later either."""

import os

os.environ["E2B_CONNECTION_RETRIES"] = "0"

"""A Plex for one run: claims it for an account, and takes it out of the account afterwards.

Run: ``python -m tests.e2e.claim token`` prints a claim token, which lives for some minutes and starts a claimed server;
``python -m tests.e2e.claim remove URL`` removes the server at that address from the account's devices, where it would
stay for ever. The account's token comes from PLEXSYNC_E2E_TOKEN. Never run by a test: it asks plex.tv.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
import xml.etree.ElementTree as ElementTree

from tests.e2e.plex import CLIENT

PLEX_TV = "https://plex.tv"
TOKEN = "PLEXSYNC_E2E_TOKEN"


def _ask(url: str, method: str = "GET") -> bytes:
    headers = {**CLIENT, "X-Plex-Token": os.environ[TOKEN]}
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=60) as reply:
        body: bytes = reply.read()
    return body


def claim_token() -> str:
    """Return a new claim token of the account."""
    return str(json.loads(_ask(f"{PLEX_TV}/api/claim/token.json"))["token"])


def remove(server: str) -> None:
    """Remove the server at an address from the account."""
    machine = ElementTree.fromstring(_ask(f"{server}/identity")).get("machineIdentifier")
    for device in ElementTree.fromstring(_ask(f"{PLEX_TV}/devices.xml")).iter("Device"):
        if device.get("clientIdentifier") == machine:
            _ask(f"{PLEX_TV}/devices/{device.get('id')}.xml", "DELETE")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["token"]:
            print(claim_token())
        case ["remove", address]:
            remove(address)
        case _:
            sys.exit(__doc__)

"""``connection.json``: who writes it, who reads it, and what counts as no connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import environment
from plexsync.core.connection import Connection, read_connection
from plexsync.core.event import Event, leave_connection

WHOLE: dict[str, Any] = {"scheme": "https", "host": "stash.lan", "port": 443, "cookie": "c"}


def write(folder: Path, text: str) -> None:
    """Write ``connection.json`` with this content."""
    (folder / environment.CONNECTION).write_bytes(text.encode("latin-1"))


@pytest.mark.parametrize("cookie", ["a-cookie", ""])
def test_what_a_hook_leaves_is_what_is_read(tmp_path: Path, cookie: str) -> None:
    """Scheme, host, port and cookie are read as the event brought them, and the API key is added."""
    event = Event()
    event.scheme, event.host, event.port, event.cookie = "https", "::1", 9443, cookie
    leave_connection(event, str(tmp_path))
    assert read_connection(str(tmp_path), "key") == Connection("https", "::1", 9443, cookie, "key")
    assert "key" not in (tmp_path / environment.CONNECTION).read_text("utf-8")


@pytest.mark.parametrize("cookie", [None, ""])
def test_a_cookie_may_be_missing(tmp_path: Path, cookie: str | None) -> None:
    """A Stash without a login has none."""
    write(tmp_path, json.dumps(WHOLE | {"cookie": cookie}))
    assert read_connection(str(tmp_path)) == Connection("https", "stash.lan", 443)


@pytest.mark.parametrize(
    "text",
    [
        None, "", "{", "[]", "null", "5", "\xff", '"text"',
        *(json.dumps({name: WHOLE[name] for name in WHOLE if name != key}) for key in ("scheme", "host", "port")),
        json.dumps(WHOLE | {"port": "x"}), json.dumps(WHOLE | {"port": 1.5}), json.dumps(WHOLE | {"host": ""}),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_none(tmp_path: Path, text: str | None) -> None:
    """A missing, torn or incomplete file means no connection, without an error."""
    if text is not None:
        write(tmp_path, text)
    assert read_connection(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("connection", "base"),
    [
        (Connection(), "http://127.0.0.1:9999"),
        (Connection("https", "stash.lan", 443), "https://stash.lan:443"),
        (Connection(host="::1"), "http://[::1]:9999"),
        (Connection(host="[fe80::1]", port=80), "http://[fe80::1]:80"),
    ],
)
def test_an_address_becomes_a_url(connection: Connection, base: str) -> None:
    """An IPv6 address gets brackets, but only once."""
    assert connection.base == base


def test_a_connection_shows_no_secret() -> None:
    """In a log or traceback a connection shows the address, and neither cookie nor key."""
    shown = f"{Connection(cookie='c00kie', api_key='k3y')!r} {Connection(cookie='c00kie', api_key='k3y')}"
    assert shown == "Connection(http://127.0.0.1:9999) Connection(http://127.0.0.1:9999)"


def test_connections_are_values() -> None:
    """Equal connections are one in a set; another cookie is another connection with the same login."""
    one, same, other = Connection(cookie="a"), Connection(cookie="a"), Connection(cookie="b")
    assert len({one, same, other}) == 2
    assert one != other
    assert one.login == other.login != Connection(api_key="key").login
    assert one != "http://127.0.0.1:9999"

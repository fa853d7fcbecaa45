"""The connection to a Stash on real sockets: requests, login, timeouts and covers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from plexsync.core.connection import Connection
from plexsync.model.errors import StashUnavailable
from plexsync.stash.api import Stash
from tests.servers.stash import StashServer
from tests.servers.stash_http import PLACEHOLDER

KEY = "api-key-1234"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StashServer]:
    """Start a Stash that needs a login and has an API key."""
    with StashServer(tmp_path / "stash") as running:
        running.credentials, running.api_key = ("user", "password"), KEY
        yield running
        running.release()


def connect(server: StashServer, **how: str) -> Stash:
    """Return a client; ``how`` is ``cookie`` or ``api_key``."""
    return Stash(Connection(port=server.port, **how), 5, 10)


def test_the_first_answer_costs_three_requests_and_each_further_one_costs_one(server: StashServer) -> None:
    """The constructor asks for version and key, never the schema."""
    stash = connect(server, api_key=KEY)
    assert (stash.requests, server.log) == (0, [])
    stash.settings()
    assert [request.operation.split("{")[0].strip() for request in server.log] == [
        "query StashVersion",
        "query getApiKey",
        "query",
    ]
    assert (stash.requests, server.count("__schema")) == (3, 0)
    stash.settings()
    assert (stash.requests, len(server.log)) == (4, 4)
    stash.close()


def test_closing_what_never_asked_is_harmless(server: StashServer) -> None:
    """A client that was never used can be closed, and one that was closed connects again."""
    stash = connect(server, api_key=KEY)
    stash.close()
    stash.settings()
    stash.close()
    assert stash.settings() == {}
    stash.close()


def test_the_refreshed_cookie_is_never_sent(server: StashServer) -> None:
    """Stash sends a new cookie with every answer; only ours is sent back."""
    cookie = server.new_cookie()
    server.add_scene(cover=b"jpeg")
    stash = connect(server, cookie=cookie)
    for _ in range(4):
        stash.settings()
        stash.cover(1)
    assert {request.cookie for request in server.log} == {f"session={cookie}"}
    assert {request.apikey for request in server.log} == {None}
    assert len(server.sessions.issued) > 5
    stash.close()


def test_the_key_is_sent_alone(server: StashServer) -> None:
    """With an API key no cookie is sent, neither for queries nor for covers."""
    server.add_scene(cover=b"jpeg")
    stash = connect(server, api_key=KEY, cookie="old")
    stash.settings()
    assert stash.cover(1)[:2] == (b"jpeg", "image/jpeg")
    assert {(request.apikey, request.cookie) for request in server.log} == {(KEY, "")}
    stash.close()


@pytest.mark.parametrize("how", [{}, {"cookie": "never given"}, {"api_key": "stale"}], ids=["none", "cookie", "key"])
def test_a_refused_login_says_so(server: StashServer, how: dict[str, str]) -> None:
    """A 401 for a query and the redirect for a cover are ``refused``, and no redirect is followed."""
    server.add_scene(cover=b"jpeg")
    stash = connect(server, **how)
    for question in (stash.settings, lambda: stash.cover(1)):
        with pytest.raises(StashUnavailable, match="rejected the login") as caught:
            question()
        assert caught.value.refused
    assert server.count("/login") == 0


def test_a_stale_key_is_refused_even_without_a_login(server: StashServer) -> None:
    """An unknown key is a 401 even if nobody needs to sign in; without it everything works."""
    server.credentials, server.api_key = None, ""
    with pytest.raises(StashUnavailable) as caught:
        connect(server, api_key="stale").settings()
    assert caught.value.refused
    assert connect(server).settings() == {}


def test_an_aged_cookie_is_refused_although_stash_refreshed_it(server: StashServer) -> None:
    """After the session's maximum age our cookie is refused: the worker needs the key."""
    server.session_max_age, server.now = 60, lambda: NOON
    stash = connect(server, cookie=server.new_cookie())
    stash.settings()
    server.now = lambda: NOON + timedelta(seconds=61)
    with pytest.raises(StashUnavailable) as caught:
        stash.settings()
    assert caught.value.refused
    stash.close()


def test_the_api_key_is_read_over_the_cookie(server: StashServer) -> None:
    """A valid cookie reads the API key; if none is set the answer is empty."""
    stash = connect(server, cookie=server.new_cookie())
    assert stash.api_key() == KEY
    server.api_key = ""
    assert stash.api_key() == ""
    stash.close()


def test_every_request_has_both_timeouts(server: StashServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The constructor's requests, queries and covers all have the connect and the read timeout."""
    seen: list[Any] = []
    send = HTTPAdapter.send

    def watch(self: HTTPAdapter, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        seen.append(more["timeout"])
        return send(self, request, **more)

    monkeypatch.setattr(HTTPAdapter, "send", watch)
    server.add_scene()
    stash = connect(server, api_key=KEY)
    stash.settings()
    stash.cover(1)
    assert seen == [(5, 10)] * 4
    stash.close()


def test_no_timeout_is_asked_for_by_zero(server: StashServer) -> None:
    """A timeout of 0 means none."""
    assert Stash(Connection(port=server.port, api_key=KEY), 0, 0).settings() == {}


def test_no_proxy_of_the_environment_is_used(server: StashServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stash exports its proxy to plugins; requests to Stash never use it."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.add_scene(cover=b"jpeg")
    stash = connect(server, api_key=KEY)
    assert stash.settings() == {}
    assert stash.cover(1)[0] == b"jpeg"
    stash.close()


def test_covers_come_as_they_are(server: StashServer) -> None:
    """Bytes, type and time are Stash's; a scene without a cover has the placeholder."""
    server.now = lambda: NOON
    server.add_scene(cover=b"\x89PNG\x00", cover_type="image/png")
    server.add_scene()
    stash = connect(server, cookie=server.new_cookie())
    assert stash.cover(1)[:2] == (b"\x89PNG\x00", "image/png")
    assert stash.cover(2)[:2] == (PLACEHOLDER, "image/svg+xml")
    assert stash.cover(1).at == NOON.timestamp()
    assert stash.requests == 3
    with pytest.raises(StashUnavailable, match="status 404") as caught:
        stash.cover(3)
    assert not caught.value.refused


def test_a_web_page_instead_of_a_cover_is_told_by_its_type(server: StashServer) -> None:
    """A proxy's page has status 200, but its type shows that it is no image."""
    server.add_scene(cover=b"jpeg")
    server.fault("html", operation="screenshot")
    assert connect(server, api_key=KEY).cover(1).kind == "text/html"


@pytest.mark.parametrize("how", [{"api_key": "schlüssel\u2603"}, {"cookie": "a\r\nb"}], ids=["key", "cookie"])
def test_what_fits_no_header_is_no_crash(server: StashServer, how: dict[str, str]) -> None:
    """A key or cookie that HTTP cannot send makes Stash unavailable, and is not in the sentence."""
    server.add_scene()
    for question in (connect(server, **how).settings, lambda: connect(server, **how).cover(1)):
        with pytest.raises(StashUnavailable) as caught:
            question()
        assert not any(secret in str(caught.value) for secret in how.values())
    assert server.log == []


def test_a_restarted_stash_is_asked_again(server: StashServer) -> None:
    """A client survives a restart of Stash: it fails while Stash is down and works afterwards."""
    server.add_scene("kept")
    stash = connect(server, api_key=KEY)
    assert stash.batch([1]).scenes[1].title == "kept"
    server.stop()
    with pytest.raises(StashUnavailable, match="the connection failed"):
        stash.batch([1])
    server.start()
    assert stash.batch([1]).scenes[1].title == "kept"
    stash.close()

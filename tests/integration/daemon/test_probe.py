"""One probe during a pause, with real servers: what is a reason for the worker, and what only prolongs the pause."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.core import environment
from plexsync.daemon.probe import probe
from plexsync.model.settings import digest
from plexsync.state import breaker, counters, ledger
from plexsync.state.meta import Meta
from plexsync.state.pause import DRY, LOCAL, PLEX, SETUP, STASH, Pause
from tests.servers.plex import PlexServer
from tests.support.in_process import Stage
from tests.support.queue_tools import NOW

KEY = "the-api-key"


class Site(Stage):
    """A data folder with a pause."""

    section = 7

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.plex.add_item(self.section, file="/films/1.mp4")
        self.conn = ledger.open_state(str(self.folder))

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.conn.close()

    def pause(self, kind: str, **values: Any) -> None:
        """Begin a pause now, under the current settings."""
        known = {"interval": 60.0, "section": self.section, "settings": digest(self.stash.plugin_settings), **values}
        Meta(self.conn).pause = Pause(kind, self.now, "why", **known)

    def current_pause(self) -> Pause:
        """Return the current pause."""
        current = Meta(self.conn).pause
        assert current is not None
        return current

    def probe_once(self, key: str = "") -> bool:
        """Probe once, now."""
        return probe(str(self.folder), key, lambda: self.now)

    def waits(self, key: str = "") -> float:
        """Probe without finding a reason; return the seconds until the next probe."""
        assert self.probe_once(key) is False
        return self.current_pause().until - self.now


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Both servers run, and all is well but for what a test changes."""
    for name in environment.DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    with Site(tmp_path) as stage:
        yield stage


def refused(site: Site) -> None:
    """Plex is not running."""
    site.plex.stop()


def fault(kind: str) -> Callable[[Site], None]:
    """Plex answers everything this way."""
    return lambda site: site.plex.fault(kind)


def token(mode: str) -> Callable[[Site], None]:
    """Plex accepts no token."""
    return lambda site: setattr(site.plex.modes, "token_mode", mode)


def well(site: Site) -> None:
    """All is well."""


@pytest.mark.parametrize(
    ("state_of_plex", "is_back", "is_right"),
    [
        (well, True, True),
        (refused, False, False),
        (fault("500"), False, False),
        (fault("503_xml"), False, False),
        (fault("429"), False, False),
        (fault("408"), False, False),
        (fault("reset"), False, False),
        (fault("html_200"), False, False),
        (fault("empty_200"), False, False),
        (fault("404"), True, False),
        (fault("400"), True, False),
        (token("refused_401"), True, False),
        (fault("redirect_302"), True, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_is_plex_back(site: Site, state_of_plex: Callable[[Site], None], is_back: bool, is_right: bool) -> None:
    """While Plex was unreachable any sign of life counts; a problem of the setup needs a real answer."""
    state_of_plex(site)
    site.pause(PLEX)
    assert site.probe_once() is is_back
    site.pause(SETUP)
    assert site.probe_once() is is_right


def test_the_probe_is_one_small_read(site: Site) -> None:
    """Plex is asked for one row of one section, with the installation's identifier; the token is only in a header."""
    (site.folder / environment.CLIENT_ID).write_text("my-own-id", "ascii")
    site.pause(PLEX)
    assert site.probe_once()
    (asked,) = site.plex.log
    assert (asked.method, asked.target) == ("GET", "/library/sections/7/all?type=1")
    assert asked.header("X-Plex-Container-Size") == "1"
    assert asked.header("X-Plex-Client-Identifier") == "my-own-id"
    assert [name for name, value in asked.headers.items() if site.plex.token in value] == ["x-plex-token"]
    assert len(site.stash.log) == 1


def test_without_a_known_section_the_list_is_asked_for(site: Site) -> None:
    """Before any library was chosen the probe asks for the list of libraries."""
    site.pause(PLEX, section=None)
    assert site.probe_once()
    assert [asked.target for asked in site.plex.log] == ["/library/sections"]


def test_a_base_path_is_kept(site: Site) -> None:
    """A Plex behind a proxy's path is asked under that path."""
    site.stash.configure(plexUrl=site.plex.url + "/behind/")
    site.pause(PLEX)
    assert site.probe_once()  # a 404 is a sign of life
    assert [asked.path for asked in site.plex.log] == ["/behind/library/sections/7/all"]


def test_no_redirect_is_followed(site: Site) -> None:
    """The token never goes where a redirect points."""
    with PlexServer() as elsewhere:
        site.plex.redirect_target = elsewhere.url + "/library/sections"
        site.plex.fault("redirect_302")
        site.pause(SETUP)
        assert not site.probe_once()
        assert elsewhere.log == []
        assert len(site.plex.log) == 1


def test_the_breaker_doubles(site: Site) -> None:
    """60 s at first, then doubling to 600; one probe each time, and none between."""
    site.plex.fault("503_xml")
    failing = breaker.Breaker(failures=5, opened_at=NOW, retry_at=NOW + 60, reset=60.0)
    site.pause(PLEX, breaker=failing)
    waits = []
    for number in range(1, 8):
        site.now = site.current_pause().until
        waits.append(site.waits())
        assert len(site.plex.log) == number
        stored = Meta(site.conn).breaker
        assert (stored.retry_at, stored.reset) == (site.current_pause().until, site.current_pause().interval)
    assert waits == [120, 240, 480, 600, 600, 600, 600]
    assert Meta(site.conn).breaker.failures == 12
    assert Meta(site.conn).breaker.opened_at == NOW


def test_plex_is_not_blamed_for_stash(site: Site) -> None:
    """If Stash does not return the settings, Plex is not probed, and its breaker does not count that."""
    site.stash.stop()
    site.pause(PLEX)
    for _ in range(3):
        assert site.waits() == 60
        site.now += 60
    assert Meta(site.conn).breaker.failures == breaker.THRESHOLD
    assert site.plex.log == []


def down(site: Site) -> None:
    """Stash is not running."""
    site.stash.stop()


def mode(name: str) -> Callable[[Site], None]:
    """Stash misbehaves this way."""
    return lambda site: setattr(site.stash.modes, name, True)


def reset(site: Site) -> None:
    """Stash breaks the connection."""
    site.stash.fault("reset")


def locked_out(site: Site) -> None:
    """Stash accepts neither cookie nor key."""
    site.stash.credentials = ("somebody", "secret")
    site.stash.expire_sessions()


def nobody(site: Site) -> None:
    """No hook left a connection to Stash."""
    (site.folder / environment.CONNECTION).unlink()


def nonsense(site: Site) -> None:
    """The connection that a hook left is not usable."""
    (site.folder / environment.CONNECTION).write_text("[1]", "utf-8")


AWAY = [down, mode("status_500"), mode("html"), reset, nobody, nonsense]
LOCKED_OUT = [locked_out, mode("redirect")]


@pytest.mark.parametrize("state_of_stash", [*AWAY, *LOCKED_OUT])
def test_stash_stays_away(site: Site, state_of_stash: Callable[[Site], None]) -> None:
    """A Stash that does not answer, or rejects us, is asked at doubling intervals; Plex is left alone meanwhile."""
    state_of_stash(site)
    site.pause(STASH)
    waits = []
    for _ in range(5):
        waits.append(site.waits())
        site.now += waits[-1]
    assert waits == [120, 240, 480, 600, 600]
    assert site.plex.log == []


def test_stash_is_back(site: Site) -> None:
    """An answer of Stash is a reason, whatever Plex does."""
    site.pause(STASH)
    assert site.probe_once()
    assert site.plex.log == []


@pytest.mark.parametrize("kind", [PLEX, SETUP, DRY])
@pytest.mark.parametrize("state_of_stash", [*AWAY, *LOCKED_OUT])
def test_stash_goes_away_during_another_pause(site: Site, kind: str, state_of_stash: Callable[[Site], None]) -> None:
    """A silent Stash prolongs the pause; one that rejects us is a new problem, which the worker reports."""
    state_of_stash(site)
    site.pause(kind)
    assert site.probe_once() is (state_of_stash in LOCKED_OUT)


@pytest.mark.parametrize("kind", [PLEX, SETUP, DRY])
def test_changed_settings_are_a_reason(site: Site, kind: str) -> None:
    """Whatever the user saved, the worker reads it; Plex need not be asked for that."""
    site.pause(kind)
    site.stash.configure(maxTags=5)
    assert site.probe_once()
    assert site.plex.log == []


def test_between_distant_probes_only_the_settings_are_read(site: Site) -> None:
    """While the next probe is minutes away, a corrected address is seen within 5 s; Plex itself is not asked."""
    site.plex.stop()
    site.pause(PLEX, breaker=breaker.Breaker(4), began=site.now)
    assert site.waits() == 60.0
    site.now += 60
    assert site.waits() == 120.0
    assert site.current_pause().settings_check_at == site.now + 4.5
    asked = site.plex.count()
    before = site.current_pause().until
    site.now += 4.5
    assert site.probe_once() is False
    assert (site.current_pause().until, site.current_pause().settings_check_at) == (before, site.now + 4.5)
    assert Meta(site.conn).stats.plex_reads == 2
    site.plex.start()
    assert site.plex.count() == asked
    site.stash.configure(plexUrl=site.plex.url + "/")
    assert site.probe_once() is True
    assert site.plex.count() == asked


def test_settings_that_cannot_work_are_not_tried(site: Site) -> None:
    """Without a token nothing is sent to Plex, however many probes there are."""
    site.stash.plugin_settings.pop("plexToken")
    site.pause(SETUP)
    assert [site.waits(), site.waits()] == [60, 60]
    assert site.plex.log == []


def test_dry_run_reads_only_the_settings(site: Site) -> None:
    """Under ``dryRun`` nothing is asked of Plex, and the interval stays."""
    site.pause(DRY)
    assert [site.waits(), site.waits()] == [60, 60]
    assert site.plex.log == []
    assert len(site.stash.log) == 2


def test_this_machine_is_always_tried(site: Site) -> None:
    """After an error on this machine only the worker can find out more: no server is asked."""
    site.pause(LOCAL)
    assert site.probe_once()
    assert (site.stash.log, site.plex.log) == ([], [])


def test_no_pause_is_a_reason(tmp_path: Path, site: Site) -> None:
    """Without a pause the worker continues; a probe does not recreate a state that was deleted."""
    assert site.probe_once()
    (tmp_path / "new").mkdir()
    assert probe(str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("kind", [PLEX, STASH, SETUP, DRY])
def test_missing_modules_come_first(site: Site, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """While a module is missing the worker could do nothing: no server is asked."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "unidecode" else real(name))
    site.pause(kind)
    assert site.waits() >= 60
    assert (site.stash.log, site.plex.log) == ([], [])


def test_the_key_lets_us_in(site: Site) -> None:
    """After the cookie's life only Stash's API key is sent."""
    locked_out(site)
    site.stash.api_key = KEY
    site.pause(PLEX)
    assert site.probe_once(KEY)
    assert [(asked.apikey, asked.cookie) for asked in site.stash.log] == [(KEY, "")]


def test_a_stale_key_falls_back_to_the_cookie(site: Site) -> None:
    """If the key was replaced, the newest cookie may still work, or Plex would never be probed."""
    site.stash.credentials = ("somebody", "secret")
    site.stash.api_key = "a newer one"
    site.pause(PLEX)
    assert site.probe_once(KEY)
    assert [asked.status for asked in site.stash.log] == [401, 200]
    assert len(site.plex.log) == 1


def test_neither_key_nor_cookie(site: Site) -> None:
    """A stale key and a void cookie are one rejection, which the worker has to report."""
    locked_out(site)
    site.stash.api_key = "a newer one"
    site.pause(PLEX)
    assert site.probe_once(KEY)
    assert [asked.status for asked in site.stash.log] == [401, 401]
    site.pause(STASH)
    assert site.waits(KEY) == 120
    assert Meta(site.conn).stats.stash == 4


def test_an_answer_without_settings(site: Site) -> None:
    """A Stash that has nothing saved for PlexSync has answered; one that does not mention plugins has not."""
    site.stash.plugin_settings.clear()
    site.pause(SETUP)
    assert site.waits() == 60
    site.stash.fault("locked_database", 1)
    site.pause(STASH)
    assert site.waits() == 120
    assert site.probe_once()


def test_requests_are_counted(site: Site) -> None:
    """Each request of a probe is in the totals, whatever it finds."""
    site.plex.fault("500", 1)
    site.pause(PLEX)
    before = counters.Stats(synced=4, plex_reads=10, stash=20)
    Meta(site.conn).stats = before
    assert not site.probe_once()
    site.now = site.current_pause().until
    assert site.probe_once()
    after = Meta(site.conn).stats
    assert (after.synced, after.plex_reads, after.plex_writes, after.stash) == (4, 12, 0, 22)


def test_a_probe_whose_idle_worker_was_killed_writes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state belongs to another worker by then, whose pause must not be overwritten."""
    site.plex.fault("500")
    site.pause(PLEX)
    parents = iter([10, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert not site.probe_once()
    assert site.current_pause().until == NOW
    assert Meta(site.conn).read("stats") is None


@pytest.mark.parametrize("skip", [True, False])
def test_an_untrusted_certificate(site: Site, tmp_path: Path, skip: bool) -> None:
    """Plex's certificate is checked unless the user switched that off; nothing is sent before."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    options = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=plex", "-out", cert]
    subprocess.run(["openssl", *options, "-keyout", key], check=True, capture_output=True)
    with PlexServer(tls=(cert, key)) as secure:
        secure.add_section("Films", key=7)
        site.stash.configure(plexUrl=secure.url, plexSkipTlsVerify=skip)
        site.pause(SETUP)
        assert site.probe_once() is skip
        assert len(secure.log) == skip


def test_a_plex_that_hangs(site: Site) -> None:
    """A Plex that takes the request and never answers is unreachable after the read timeout."""
    site.give_up_after(1)
    site.plex.fault("stall")
    site.pause(PLEX, breaker=breaker.Breaker(4))
    assert site.waits() == 60
    assert len(site.plex.log) == 1
    site.plex.release()


def test_ipv6(site: Site) -> None:
    """An IPv6 address of Stash is put in brackets: without them the port could not be told apart."""
    where = {"scheme": "http", "host": "::1", "port": site.stash.port, "cookie": ""}
    (site.folder / environment.CONNECTION).write_text(json.dumps(where), "utf-8")
    site.pause(STASH)
    assert site.probe_once() is False


def test_the_state_is_closed(site: Site) -> None:
    """A probe leaves no transaction open: the worker writes at once."""
    site.pause(STASH)
    assert site.probe_once()
    other = sqlite3.connect(site.folder / environment.STATE_DB, timeout=0, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("ROLLBACK")
    other.close()

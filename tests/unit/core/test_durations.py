"""The contract's durations: their defaults, and the environment variables that override them."""

from __future__ import annotations

import pytest

from plexsync.core import environment

CONTRACT = {
    "PLEXSYNC_SETTLE": 2,
    "PLEXSYNC_RETRY_BASE": 5,
    "PLEXSYNC_RETRY_CAP": 300,
    "PLEXSYNC_MISSING_BASE": 30,
    "PLEXSYNC_MISSING_CAP": 3600,
    "PLEXSYNC_MISSING_GIVE_UP": 604800,
    "PLEXSYNC_BREAKER_RESET": 60,
    "PLEXSYNC_BREAKER_RESET_CAP": 600,
    "PLEXSYNC_IDLE_EXIT": 86400,
    "PLEXSYNC_CATCHUP": 3600,
    "PLEXSYNC_CONNECT_TIMEOUT": 5,
    "PLEXSYNC_READ_TIMEOUT": 30,
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CONTRACT:
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_those_of_the_contract() -> None:
    """Without environment variables every duration is the contract's, and there are no others."""
    assert {name: environment.seconds(name) for name in environment.DEFAULTS} == CONTRACT


@pytest.mark.parametrize("name", CONTRACT)
@pytest.mark.parametrize(("text", "wanted"), [("0", 0.0), ("0.25", 0.25), (" 7 ", 7.0), ("1e3", 1000.0)])
def test_the_environment_overrides(monkeypatch: pytest.MonkeyPatch, name: str, text: str, wanted: float) -> None:
    """An environment variable replaces the default, and 0 means zero."""
    monkeypatch.setenv(name, text)
    assert environment.seconds(name) == wanted


@pytest.mark.parametrize("text", ["", "  ", "soon", "2s", "-1", "-0.001", "inf", "-inf", "nan", "1e999", "1,5"])
def test_what_is_no_duration_means_the_default(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Text, negative and infinite values mean the default, and never reach a timer."""
    monkeypatch.setenv("PLEXSYNC_RETRY_CAP", text)
    assert environment.seconds("PLEXSYNC_RETRY_CAP") == 300


def test_an_unknown_duration_is_our_bug() -> None:
    """A name that the contract does not have raises an error."""
    with pytest.raises(KeyError):
        environment.seconds("PLEXSYNC_PATIENCE")


@pytest.mark.parametrize("name", ["SETTLE", "RETRY_CAP", "MISSING_CAP", "BREAKER_RESET_CAP"])
def test_the_horizon_lies_behind_the_longest_cap(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With a correct clock no due time is beyond the horizon: an hour and a minute, or a longer cap."""
    assert environment.horizon() == 3660
    monkeypatch.setenv(f"PLEXSYNC_{name}", "10000")
    assert environment.horizon() == 10060


@pytest.mark.parametrize(("text", "wanted"), [("0", 0.001), ("0.5", 0.5), ("", 5.0), ("soon", 5.0)])
def test_a_timeout_of_zero_is_one_that_sockets_take(monkeypatch: pytest.MonkeyPatch, text: str, wanted: float) -> None:
    """Zero means "do not wait", which requests rejects, so it becomes the shortest wait there is."""
    monkeypatch.setenv("PLEXSYNC_CONNECT_TIMEOUT", text)
    assert environment.timeout("PLEXSYNC_CONNECT_TIMEOUT") == wanted

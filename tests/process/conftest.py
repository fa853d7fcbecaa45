"""What the process tests share: one installation, with nothing in it yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import release, start
from tests.support.installation import Installation


@pytest.fixture(scope="session", autouse=True)
def no_release_is_left() -> Iterator[None]:
    """What was built for the session goes with it."""
    yield
    release.remove()


@pytest.fixture(autouse=True)
def no_other_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin finds its data folder by itself, whatever the environment of the tests says."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started processes do not load coverage, which needs the very modules of Python that a test breaks."""
    for name in start.MEASURE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Stash with the plugin, Plex, no film yet."""
    with Installation(tmp_path) as made:
        yield made

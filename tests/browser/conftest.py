"""What the tests in a browser share: one Chromium a pytest process, a Stash that answers from samples, and tabs that
are looked through at each test's end.

Where node, Chromium or Playwright is missing, nothing of this folder is collected; ``PLEXSYNC_BROWSER=required`` makes
that an error. ``PLEXSYNC_SHOTS`` names a folder for a picture of each tab at its test's end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import front

if TYPE_CHECKING:
    from tests.browser.driver import Browser, Page
    from tests.servers.stash import StashServer

WHY = front.missing()
if WHY and os.environ.get("PLEXSYNC_BROWSER") == "required":
    raise pytest.UsageError(f"No tests in a browser: {WHY}.")

collect_ignore_glob = ["test_*.py"] if WHY else []

Open = Callable[..., "Page"]


@pytest.fixture(autouse=True)
def no_other_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin finds its data folder by itself, whatever the environment of the tests says."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the front end."""
    return front.build()


@pytest.fixture(scope="session")
def browser(built: Path) -> Iterator[Browser]:
    """The one Chromium of this process."""
    from tests.browser.driver import Browser

    with Browser() as made:
        yield made


@pytest.fixture(scope="module")
def shared_stash(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StashServer]:
    """One Stash a module, whose plugin answers from the samples."""
    from tests.browser.look import sampled

    with sampled(tmp_path_factory.mktemp("sampled"), "ok") as made:
        yield made


@pytest.fixture
def stash(shared_stash: StashServer) -> StashServer:
    """The module's Stash as it was: nothing is wrong, all is set up, no job, no login."""
    from tests.browser.look import as_it_was

    as_it_was(shared_stash, "ok")
    return shared_stash


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a tab on a Stash: ``opened(stash, path, width=375)``. A complaint that is not expected fails the test."""
    pages: list[Page] = []
    with ExitStack() as stack:

        def open_tab(at: StashServer | str, path: str = "/plugins/plexsync", **options: Any) -> Page:
            url = at if isinstance(at, str) else at.url
            page = stack.enter_context(browser.page(url, **options))
            pages.append(page)
            page.visit(path)
            return page

        yield open_tab
        if folder := os.environ.get("PLEXSYNC_SHOTS"):
            for number, page in enumerate(pages):
                name = re.sub(r"\W+", "-", request.node.name).strip("-")
                page.shot(Path(folder) / f"{name}{number or ''}.png")
        assert [one for page in pages for one in page.unexpected()] == []

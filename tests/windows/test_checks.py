"""The checks of ``python -m tests.windows`` hold here too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.windows.checks import CHECKS, Check


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_system(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the check's docstring says."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    check(tmp_path, sys.executable)

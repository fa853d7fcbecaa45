"""Counting the tests of a run: one that ended early must not pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import count_tests

REPORT = '<testsuites><testsuite tests="{}" skipped="{}" failures="{}" errors="{}"/></testsuites>'


@pytest.mark.parametrize(
    ("numbers", "status"),
    [((10, 0, 0, 0), 0), ((12, 2, 0, 0), 0), ((11, 2, 0, 0), 1), ((20, 0, 1, 0), 1), ((20, 0, 0, 1), 1), (None, 1)],
    ids=["enough", "enough without the skipped", "too few", "a failure", "an error", "no report"],
)
def test_a_run_passes_with_enough_tests(tmp_path: Path, numbers: tuple[int, ...] | None, status: int) -> None:
    """Enough tests ran, skipped ones left out, and all of them passed; without a report none ran."""
    report = tmp_path / "report.xml"
    if numbers:
        report.write_text(REPORT.format(*numbers), "utf-8")
    assert count_tests.main(str(report), "10") == status

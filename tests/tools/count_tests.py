"""Counts the tests that a run of pytest really made, from its JUnit report.

Run: ``python -m tests.tools.count_tests report.xml LEAST``. Fails for fewer than ``LEAST``, and where there is no
report: a run that ends early with status 0 would otherwise pass. Standard library only.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count(report: Path) -> tuple[int, int]:
    """How many tests ran, the skipped ones left out, and how many of them failed."""
    if not report.is_file():
        return 0, 0
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    numbers = [{key: int(suite.get(key, 0)) for key in ("tests", "skipped", "failures", "errors")} for suite in suites]
    ran = sum(one["tests"] - one["skipped"] for one in numbers)
    return ran, sum(one["failures"] + one["errors"] for one in numbers)


def main(report: str, least: str) -> int:
    """Say the numbers; 0 if enough ran and all passed."""
    ran, failed = count(Path(report))
    print(f"{ran} tests ran, {failed} failed; {least} are needed")
    return int(ran < int(least) or failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))

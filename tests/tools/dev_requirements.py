"""Prints what development needs, one requirement a line: the packages of the lock file, then pyproject's extra ``dev``.

Run: ``python -m tests.tools.dev_requirements``. Standard library only, so it runs before anything is installed. The
locked packages stand here without their hashes: install ``requirements.txt`` first, and pip leaves them alone.
"""

from __future__ import annotations

from tests.tools import lock, project


def requirements() -> list[str]:
    """Return the run-time packages as they are locked, then the requirements of the extra ``dev``."""
    return [*(f"{package.name}=={package.version}" for package in lock.read()), *project.of_development()]


if __name__ == "__main__":
    print("\n".join(requirements()))

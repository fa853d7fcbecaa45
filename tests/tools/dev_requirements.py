"""Prints what development needs, one requirement a line, from pyproject.toml: the one place that says it.

Run: ``python -m tests.tools.dev_requirements``. Standard library only, so it runs before anything is installed.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def requirements() -> list[str]:
    """The run-time dependencies, then those of the extra ``dev``."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dev"]]


if __name__ == "__main__":
    print("\n".join(requirements()))

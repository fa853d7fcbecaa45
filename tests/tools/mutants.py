"""Changes the code in small ways, one at a time, and counts the changes that no test notices (mutation testing).

Run: ``python -m tests.tools.mutants`` for all parts, ``python -m tests.tools.mutants model sync/edit`` for some. A
virtual environment with mutmut and a copy of the tree are made in ``--work`` (else in a temporary folder); the same
folder given again continues: what was killed stays killed, everything else is tried again with the tests as they are
now. POSIX only.

Killed: at least one test failed, or it ran over its time. Without effect: listed with a reason in
``mutants_without_effect.txt``. The score is killed / (all - without effect).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools import dev_requirements

ROOT = Path(__file__).resolve().parents[2]
MUTMUT = "mutmut==3.8.1"  # its inner functions are called, so exactly this one

#: What is changed, by the name given on the command line.
PARTS = {
    "matching": "plexsync/matching/*.py",
    "model": "plexsync/model/*.py",
    "queue": "plexsync/queue/*.py",
    "worker/retry": "plexsync/worker/retry.py",
    "sync/edit": "plexsync/sync/edit.py",
}

NOT_COPIED = shutil.ignore_patterns(".venv", ".git", "dist", "__pycache__", ".*_cache", ".hypothesis", "htmlcov")

#: mutmut wants to be told where the code is.
CONFIGURATION = '\n[tool.mutmut]\nsource_paths = ["plexsync"]\n'


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutants", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--work", type=Path, help="a folder to keep and to continue in")
    parser.add_argument("--sample", type=int, metavar="N", help="N changes of each part, always the same ones")
    parser.add_argument("--only", default="", metavar="TEXT", help="only changes whose name has TEXT in it")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


def python_of(work: Path) -> Path:
    """Return the interpreter of the environment in ``work``, after installing what is missing."""
    python = work / "venv" / "bin" / "python"
    if not (work / "venv" / "installed").exists():
        print(f"Installing into {work / 'venv'} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        wanted = [*dev_requirements.requirements(), MUTMUT]
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted], check=True)
        (work / "venv" / "installed").touch()
    return python


def copy_tree(work: Path) -> Path:
    """Copy the tree twice: ``tree`` as it is, ``tree/mutants`` for mutmut to change."""
    tree = work / "tree"
    for old in tree.rglob("*.py"):
        old.unlink()  # a test file may have gone since; the verdicts are in other files
    for target in (tree, tree / "mutants"):
        shutil.copytree(ROOT, target, ignore=NOT_COPIED, dirs_exist_ok=True)
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(CONFIGURATION)
    return tree


def main() -> int:
    chosen = arguments()
    parts = {part: PARTS[part] for part in chosen.parts or PARTS}
    work = (chosen.work or Path(tempfile.mkdtemp(prefix="plexsync-mutants-"))).resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        python, tree = python_of(work), copy_tree(work)
        plan = [str(chosen.sample or 0), chosen.only, *(f"{part}={pattern}" for part, pattern in parts.items())]
        with (work / "tests.log").open("w", encoding="utf-8") as log:
            command = [python, "-P", "-m", "tests.tools.mutant_run", *plan]  # -P: nothing from the current folder
            environment = {**os.environ, "PYTHONPATH": str(tree / "mutants"), "PYTHONDONTWRITEBYTECODE": "1"}
            return subprocess.run(command, cwd=tree, env=environment, stdout=log, check=False).returncode
    finally:
        if chosen.work is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

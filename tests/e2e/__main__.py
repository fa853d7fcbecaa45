"""Run the scenario: ``python -m tests.e2e``. Without addresses, against the tests' servers.

A real Stash must be new, and is not cleaned up: it and Plex are there for this run alone, and are reached over
127.0.0.1, where the index and the way to Plex are served as well. Plex's token comes from PLEXSYNC_E2E_TOKEN.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.link import Link
from tests.e2e.places import Films, plex_of_tests, stash_of_tests
from tests.e2e.plex import Plex
from tests.e2e.scenario import Scenario
from tests.e2e.stash import Stash
from tests.e2e.waiting import StepError
from tests.servers.source import served

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "PLEXSYNC_E2E_TOKEN"


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder that make dist wrote")
    parser.add_argument("--stash", metavar="URL", help="a new Stash without a login")
    parser.add_argument("--plex", metavar="URL", help="a Plex")
    parser.add_argument("--films", type=Path, metavar="FOLDER", help="where the films are made")
    parser.add_argument("--films-in-stash", metavar="FOLDER", help="the same folder, as Stash sees it")
    parser.add_argument("--films-in-plex", metavar="FOLDER", help="the same folder, as Plex sees it")
    parser.add_argument("--doctor", default="", metavar="COMMAND", help="to run before the end, with {scene} in it")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="a Markdown table is added to it")
    return parser.parse_args(words)


def run(chosen: argparse.Namespace, folder: Path) -> list[str]:
    """Run the scenario; return the lines of its summary. Raise ``StepError``, after saying what Stash's log says."""
    if not (chosen.dist / "index.yml").is_file():
        raise StepError(f"There is no release in {chosen.dist}: `make dist` builds one.")
    here = chosen.films or folder / "films"
    films = Films(here, chosen.films_in_stash or str(here), chosen.films_in_plex or str(here))
    with ExitStack() as stack:
        stash = Stash(chosen.stash or stack.enter_context(stash_of_tests(folder / "stash")))
        token = os.environ.get(TOKEN, "")
        plex = Plex(chosen.plex, token) if chosen.plex else stack.enter_context(plex_of_tests(films))
        link = stack.enter_context(Link(*plex.host))
        index = stack.enter_context(served(chosen.dist))
        return carry_out(Scenario(stash, plex, link, films, index, chosen.doctor))


def carry_out(scenario: Scenario) -> list[str]:
    """Take the steps one by one; return the lines of the summary. Raise ``StepError`` for the first that fails."""
    rows = []
    for step in scenario.steps():
        began = time.monotonic()
        sentence = (step.__doc__ or "").strip()
        try:
            step()
        except (StepError, OSError, KeyError, TypeError) as error:
            print(*scenario.stash.log()[:30], sep="\n", file=sys.stderr)
            raise StepError(f"{sentence} No: {error}") from error
        rows.append(f"| {sentence} | {time.monotonic() - began:.1f} |")
        print(f"{time.monotonic() - began:6.1f} s  {sentence}", flush=True)
    print(f"{len(rows)} steps held")
    versions = ", ".join(f"{name} {version}" for name, version in scenario.versions.items())
    return [f"### {versions}", "", "| step | seconds |", "|---|---|", *rows, "", *scenario.said.splitlines()]


def main(words: list[str] | None = None) -> int:
    """Run; 1 with a sentence if a step failed."""
    chosen = arguments(words)
    with tempfile.TemporaryDirectory(prefix="plexsync-") as folder:
        try:
            lines = run(chosen, Path(folder))
        except StepError as error:
            lines = [f"**Failed.** {error}"]
            print(error, file=sys.stderr)
            return 1
        finally:
            if chosen.summary:
                with chosen.summary.open("a", encoding="utf-8") as file:
                    file.write("\n".join([*lines, ""]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

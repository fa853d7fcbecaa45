"""docs/build/programs.md says what the code does: operations, tasks, files, reasons, metrics, variables, examples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plexsync import metrics, status
from plexsync.core import environment
from plexsync.queue import dead_letters
from plexsync.tasks import dispatch, operations
from plexsync.tasks.call import BUTTONS
from tests.contract.test_project import MANIFEST, first_column, names

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "build" / "programs.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)

#: Every operation that there is to be; a test below holds the code to the document.
CONTRACT = """
    overview scene sync choose unchoose undo preview_rows unmatched_rows report try_plex sign_in status dead_letters
    retry discard check_setup wake log clear_dlq clear_queue
"""


def chapter(title: str) -> str:
    """Return one chapter of the document."""
    return re.split(r"^## ", DOCUMENT.split(f"\n## {title}\n", 1)[1], flags=re.MULTILINE)[0]


def documented() -> list[str]:
    """Return the operations that have a section of their own."""
    return re.findall(r"^### `(\w+)`$", chapter("Operations"), flags=re.MULTILINE)


def listed(title: str) -> list[str]:
    """Return the names in the first column of a chapter's tables."""
    return names(first_column(DOCUMENT, title))


def test_every_operation() -> None:
    """Each operation of the code has a section, and a row in the table above; none has two."""
    known = {*operations.MODES, *dispatch.ASKING, "check_setup"}
    assert known - set(documented()) == set()
    assert sorted(documented()) == sorted(CONTRACT.split())
    assert sorted(listed("Operations")) == sorted(documented())


@pytest.mark.parametrize("mode", documented())
def test_every_operation_has_an_example(mode: str) -> None:
    """A section names the arguments or says that there are none, and shows a call."""
    section = re.split(r"^### ", DOCUMENT.split(f"\n### `{mode}`\n", 1)[1], flags=re.MULTILINE)[0]
    assert f'plexsync \'{{"mode": "{mode}"' in section
    assert re.search(r"rguments|The same for|`step: ", section)


def test_every_task() -> None:
    """The tasks stand there as in Stash, each with its mode."""
    rows = re.findall(r"^\| ([^|`]+) \| `(\w+)` \|", chapter("Tasks"), flags=re.MULTILINE)
    assert rows == [(task["name"], task["defaultArgs"]["mode"]) for task in MANIFEST["tasks"]]
    assert {mode: name for name, mode in rows} == BUTTONS


def test_every_file() -> None:
    """Each file that the code names is listed, and no other."""
    path = re.compile(r"[\w.]+\.(?:db|json|lock|prom|csv|log)|client_id")
    constants = {value for name, value in vars(environment).items() if name.isupper() and isinstance(value, str)}
    files = {value for value in constants if path.fullmatch(value)} | {"worker.err"}
    assert set(names(first_column(DOCUMENT, "Files"))) == files


def test_every_reason() -> None:
    """The reasons of dead letters are those of the queue, in its order."""
    assert listed("Dead letters") == list(dead_letters.REASONS)


def test_every_metric() -> None:
    """The metrics are those of the file, in its order, with their types."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", chapter("Metrics"), flags=re.MULTILINE)
    assert rows == [(name, kind) for name, (kind, _) in metrics.METRICS.items()]


def test_the_example_rules_know_the_metrics() -> None:
    """The alerts use only metrics that there are."""
    rules = (ROOT / "docs" / "plexsync-alerts.yaml").read_text("utf-8")
    used = set(re.findall(r"\bplexsync_\w+", rules))
    samples = {f"{name}{ending}" for name in metrics.METRICS for ending in ("", "_bucket", "_sum", "_count")}
    assert used
    assert used - samples == set()


def test_every_variable() -> None:
    """The environment variables are those that the code reads, with its defaults."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "plexsync").rglob("*.py"))
    read = {name for name in re.findall(r"\"(PLEXSYNC_[A-Z_]+)\"", code) if not name.endswith("_")}
    assert sorted(listed("Environment variables")) == sorted(read)
    rows = re.findall(r"^\| (`PLEXSYNC[^|]+) \| ([^|]+) \|", chapter("Environment variables"), flags=re.MULTILINE)
    defaults = {
        name: default
        for cell, values in rows
        for name, default in zip(re.findall(r"`(\w+)`", cell), values.split(", "), strict=False)
    }
    assert {name: float(defaults[name]) for name in environment.DEFAULTS} == environment.DEFAULTS


def test_the_status_object(tmp_path: Path) -> None:
    """The example has the keys of the status object, and the table explains each."""
    found = status.status(str(tmp_path), 0)
    (example,) = [json.loads(block) for kind, block in BLOCKS if kind == "json" and '"last_catchup"' in block]
    assert example.keys() == found.keys()
    assert listed("Status object") == [key for key in found if key in listed("Status object")]
    assert set(listed("Status object")) == set(found)
    for key in ("queue", "breaker", "worker", "totals", "requests", "dead_by_reason"):
        assert example[key].keys() == found[key].keys()


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "json"])
def test_examples_are_json(block: str) -> None:
    """Every answer that is shown can be read."""
    json.loads(block)


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "sh"])
def test_calls_are_json(block: str) -> None:
    """Every argument that is shown can be read, and so can every body."""
    for body in re.findall(r"(?:-d|^plexsync) '(\{.*?\})'$", block, flags=re.MULTILINE | re.DOTALL):
        json.loads(body.replace("'\"$1\"'", "{}"))

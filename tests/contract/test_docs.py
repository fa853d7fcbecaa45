"""The documents say what the code does: whatever it has is documented, and nothing else is."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

from plexsync import cli, log, metrics, status
from plexsync.core import environment
from plexsync.queue import dead_letters
from plexsync.tasks import dispatch, operations
from plexsync.tasks.call import BUTTONS
from tests.contract.test_layers import LAYERS
from tests.contract.test_project import MANIFEST, ROOT, own_files
from tests.support import documents
from tests.support.documents import DOCUMENTS, advice, fences, inline_code, names, read, rows

PROGRAMS = Path("docs/build/programs.md")
DOCUMENT = read(PROGRAMS)
BLOCKS = [(fence.language, fence.text) for fence in fences(PROGRAMS)]

#: Every operation that there is to be; a test below holds the code to the document.
CONTRACT = """
    overview scene sync choose unchoose undo preview_rows unmatched_rows report try_plex sign_in status dead_letters
    retry discard check_setup wake log clear_dlq clear_queue
"""


def chapter(title: str) -> str:
    """Return one chapter of the document for programs."""
    return documents.chapter(DOCUMENT, title)


def documented() -> list[str]:
    """Return the operations that have a section of their own."""
    return re.findall(r"^### `(\w+)`$", chapter("Operations"), flags=re.MULTILINE)


def listed(title: str) -> list[str]:
    """Return the names in the first column of a chapter's tables."""
    return documents.listed(DOCUMENT, title)


def test_every_setting() -> None:
    """The reference lists every setting once, under the name that Stash shows, with its key and type."""
    found = [re.fullmatch(r"(.+) \(`(\w+)`\)", row[0]) for row in rows(read(Path("docs/use/settings.md")))]
    cells = [row[1] for row in rows(read(Path("docs/use/settings.md")))]
    documented = [(key[1], key[2], kind) for key, kind in zip(found, cells, strict=True) if key]
    wanted = [(entry["displayName"], key, entry["type"]) for key, entry in MANIFEST["settings"].items()]
    told, known = ([" | ".join(row) for row in table] for table in (documented, wanted))
    assert sorted(told) == sorted(known), advice("docs/use/settings.md", told, known)


def test_every_task_has_a_row() -> None:
    """The page about tasks lists those of the manifest in its order, and no other."""
    first, *_ = re.split(r"\n\n(?!\|)", read(Path("docs/use/tasks.md")).split("\n|", 1)[1])
    told, known = [row[0].strip("*") for row in rows(f"|{first}\n")], [task["name"] for task in MANIFEST["tasks"]]
    assert told == known, advice("docs/use/tasks.md", told, known)


def test_every_operation() -> None:
    """Each operation of the code has a section, and a row in the table above; none has two."""
    known = {*operations.MODES, *dispatch.ASKING, "check_setup"}
    assert known <= set(documented()), advice(f"{PROGRAMS}, Operations", documented(), {*known, *documented()})
    assert sorted(documented()) == sorted(CONTRACT.split()), advice("CONTRACT above", CONTRACT.split(), documented())
    told = listed("Operations")
    assert sorted(told) == sorted(documented()), advice(f"{PROGRAMS}, the table of Operations", told, documented())


@pytest.mark.parametrize("mode", documented())
def test_every_operation_has_an_example(mode: str) -> None:
    """A section names the arguments or says that there are none, and shows a call."""
    section = re.split(r"^### ", DOCUMENT.split(f"\n### `{mode}`\n", 1)[1], flags=re.MULTILINE)[0]
    assert f'plexsync \'{{"mode": "{mode}"' in section
    assert re.search(r"rguments|The same for|`step: ", section)


def test_every_task() -> None:
    """The tasks stand there as in Stash, each with its mode."""
    found = re.findall(r"^\| ([^|`]+) \| `(\w+)` \|", chapter("Tasks"), flags=re.MULTILINE)
    known = [(task["name"], task["defaultArgs"]["mode"]) for task in MANIFEST["tasks"]]
    assert found == known, advice(f"{PROGRAMS}, Tasks", map(" | ".join, found), map(" | ".join, known))
    assert {mode: name for name, mode in found} == BUTTONS


def strings() -> set[str]:
    """Return every string of the plugin's code."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "plexsync").rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def files() -> set[str]:
    """Return the names of the files that the code names, in whichever module."""
    path = re.compile(r"[\w.-]+\.(?:db|json|lock|prom|csv|log|err|txt|pid)|client_id")
    return {text for text in strings() if path.fullmatch(text)}


def test_every_file() -> None:
    """Each file that the code names is listed, for programs and for whoever asks what is stored, and no other."""
    told, known = listed("Files"), files()
    assert sorted(told) == sorted(known), advice(f"{PROGRAMS}, Files", told, known)
    private = "docs/understand/security.md"
    found = documents.listed(read(Path(private)), "Files on your disk")
    stored = [name for name in found if not re.fullmatch(r"\.\d", name)]
    assert sorted(stored) == sorted(known), advice(f"{private}, Files on your disk", stored, known)


def test_every_private_file() -> None:
    """Both pages say of each file that may hold a token, a cookie or an item that only its owner may read it (0600)."""
    rows_of = {name: row for row in rows(read(Path("docs/understand/security.md"))) for name in names(row[:1])}
    for file in (environment.CONNECTION, environment.SIGN_IN, environment.DOCTOR):
        assert "mode 0600" in rows_of[file][1]
        assert f"`{file}`" in read(Path("SECURITY.md"))


def test_every_reason() -> None:
    """The reasons of dead letters are those of the queue, in its order."""
    told, known = listed("Dead letters"), list(dead_letters.REASONS)
    assert told == known, advice(f"{PROGRAMS}, Dead letters", told, known)


def test_every_metric() -> None:
    """The metrics are those of the file, in its order, with their types."""
    found = re.findall(r"^\| `(\w+)` \| (\w+) \|", chapter("Metrics"), flags=re.MULTILINE)
    known = [(name, kind) for name, (kind, _) in metrics.METRICS.items()]
    assert found == known, advice(f"{PROGRAMS}, Metrics", map(" | ".join, found), map(" | ".join, known))


def test_the_example_rules_know_the_metrics() -> None:
    """The alerts use only metrics that there are."""
    rules = (ROOT / "docs" / "plexsync-alerts.yaml").read_text("utf-8")
    used = set(re.findall(r"\bplexsync_\w+", rules))
    samples = {f"{name}{ending}" for name in metrics.METRICS for ending in ("", "_bucket", "_sum", "_count")}
    assert used
    assert used - samples == set()


def test_every_variable() -> None:
    """The environment variables are those that the code reads, with its defaults."""
    read = {name for name in strings() if re.fullmatch(r"PLEXSYNC_[A-Z_]*[A-Z]", name)}
    told = listed("Environment variables")
    assert sorted(told) == sorted(read), advice(f"{PROGRAMS}, Environment variables", told, read)
    found = re.findall(r"^\| (`PLEXSYNC[^|]+) \| ([^|]+) \|", chapter("Environment variables"), flags=re.MULTILINE)
    defaults = {
        name: default
        for cell, values in found
        for name, default in zip(re.findall(r"`(\w+)`", cell), values.split(", "), strict=False)
    }
    assert {name: float(defaults[name]) for name in environment.DEFAULTS} == environment.DEFAULTS


def test_the_status_object(tmp_path: Path) -> None:
    """The example has the keys of the status object, and the table explains each."""
    found = status.status(str(tmp_path), 0)
    (example,) = [json.loads(block) for kind, block in BLOCKS if kind == "json" and '"last_catchup"' in block]
    place = f"{PROGRAMS}, Status object"
    assert example.keys() == found.keys(), advice(f"{place}, the example", example, found)
    assert listed("Status object") == list(found), advice(f"{place}, the table", listed("Status object"), found)
    for key in ("queue", "breaker", "worker", "totals", "requests", "dead_by_reason"):
        assert example[key].keys() == found[key].keys(), advice(f"{place}, {key}", example[key], found[key])


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "sh"])
def test_calls_are_json(block: str) -> None:
    """Every argument that is shown can be read, and so can every body."""
    for body in re.findall(r"(?:-d|^plexsync) '(\{.*?\})'$", block, flags=re.MULTILINE | re.DOTALL):
        json.loads(body.replace("'\"$1\"'", "{}"))


def test_every_field_of_the_log() -> None:
    """The chapter about the log has a row for each field, and for no other."""
    fields = names([row[0] for row in rows(chapter("plexsync.log").split("\n### ")[0])])
    known = [*log.BASE_FIELDS, *log.FIELDS]
    assert sorted(fields) == sorted(known), advice(f"{PROGRAMS}, plexsync.log", fields, known)


def test_every_action_of_the_log() -> None:
    """The words with which lines begin are listed, each with what happened."""
    told = documents.listed(DOCUMENT, "Actions", 3)
    assert sorted(told) == sorted(log.ACTIONS), advice(f"{PROGRAMS}, Actions", told, log.ACTIONS)


def usage() -> set[str]:
    """Return the commands and options that ``--help`` shows."""
    calls = re.findall(r"PlexSync\.py ([^A-Z\n]*?)(?: [A-Z]| {2}|$)", cli.USAGE, flags=re.MULTILINE)
    return {word.strip("[]") for call in calls for word in call.split()} | {"--data-dir"}


def test_every_command() -> None:
    """The commands and options of ``--help`` are in the table, and no other; all of them are taken."""
    told = {word for code in listed("Command line") for word in code.split() if re.match(r"-*[a-z]", word)}
    assert told | {"--data-dir"} == usage(), advice(f"{PROGRAMS}, Command line", told | {"--data-dir"}, usage())
    assert "`--data-dir FOLDER`" in chapter("Command line")
    public = set(cli._ALLOWED) - {"idle", "probe"}  # these two, the background process calls
    options = {f"--{name}" for allowed in cli._ALLOWED.values() for name in allowed - cli._INTERNAL}
    taken = {*options, "--data-dir", "--help"}
    assert usage() >= taken, advice("cli.USAGE", usage(), usage() | taken)
    shown = {word for word in usage() if not word.startswith("-")}
    assert shown == public, advice("cli.USAGE", shown, public)


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_what_a_document_tells_to_run_is_a_command(path: Path) -> None:
    """Wherever it stands, in a sentence or in a block for whichever system, the plugin knows its words."""
    calls = re.findall(r"\bpython[\d.]* (?:\S*[/\\])?PlexSync\.py((?: (?:--)?[a-z][a-z-]*)*)", read(path))
    assert {word for call in calls for word in call.split()} - usage() == set(), f"correct in {path}: see --help"


def targets() -> set[str]:
    """Return what the Makefile offers."""
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", read(Path("Makefile")), flags=re.MULTILINE))


def test_every_make_target() -> None:
    """Every target is in the table of commands and phony, and no document names one that does not exist."""
    commands, *_ = read(Path("docs/build/development.md")).split("\n## ")
    told = {code.split()[1] for code in names([row[0] for row in rows(commands)]) if code.startswith("make ")}
    assert told == targets(), advice("docs/build/development.md, the first table", told, targets())
    phony = read(Path("Makefile")).split(".PHONY:")[1].splitlines()[0].split()
    assert set(phony) == targets(), advice(".PHONY in the Makefile", phony, targets())


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_what_a_document_calls_exists(path: Path) -> None:
    """A target of make, a module after ``python -m`` and a file of the repository that a sentence names exist."""
    wrong = []
    for code in inline_code(read(path)):
        words = code.split()
        if words[0] == "make" and len(words) > 1:
            wrong += [
                f"make {word}" for word in words[1:] if re.fullmatch(r"[a-z][\w-]*", word) and word not in targets()
            ]
        module = re.search(r"python[\d.]* -m ((?:tests|benchmarks)[\w.]*)", code)
        if module and not importlib.util.find_spec(module[1]):
            wrong.append(module[1])
        if re.fullmatch(r"(?:tests|benchmarks|plexsync|docs|ui)/[\w./-]+", code) and not (ROOT / code).exists():
            wrong.append(code)
    assert wrong == []


def test_architecture_explains_every_package() -> None:
    """docs/build/architecture.md has a paragraph about each package of the plugin, and about no other."""
    packages = {path.parts[1] for path in own_files() if path.parts[0] == "plexsync" and len(path.parts) > 2}
    plan = documents.chapter(read(Path("docs/build/architecture.md")), "The packages")
    told = re.findall(r"\*\*`(\w+)`\*\*", plan)
    assert set(told) == packages, advice("docs/build/architecture.md, The packages", told, packages)


def test_architecture_names_the_layers_in_their_order() -> None:
    """The sentence from top to bottom has each layer where the imports are held to it."""
    sentence = re.search(r"From top to bottom: ([^.]+)\.", read(Path("docs/build/architecture.md")))
    assert sentence is not None
    told = [names([row]) for row in sentence[1].split(">")]
    assert told == [list(row) for row in LAYERS], "docs/build/architecture.md, The layers: LAYERS says it"


def test_development_names_every_folder_of_tests() -> None:
    """docs/build/development.md has a row for each folder of tests, and for no other."""
    told = documents.listed(read(Path("docs/build/development.md")), "Tests")
    here = {f"tests/{path.parts[1]}" for path in own_files() if path.parts[0] == "tests" and len(path.parts) > 2}
    folders = {name for name in told if name.startswith("tests/") and not name.endswith(".py")}
    assert folders == here, advice("docs/build/development.md, Tests", folders, here)

"""The repository is consistent: manifest, code and documents agree."""

from __future__ import annotations

import ast
import gzip
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from plexsync.model import settings
from tests.support import manifest

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = manifest.read((ROOT / "PlexSync.yml").read_text("utf-8"))
#: What a checkout may hold besides the project's own files.
FOREIGN = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines())]

#: What may have a docstring.
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)

SWITCHES = """
    plexSkipTlsVerify matchLowConfidence missingIgnore missingScan keepPlexEdits skipActors skipBackground
    skipCollection skipDate skipGenres skipPoster skipStudio skipSummary skipTitle skipUnorganized cleanTitles
    tagStashIDs logDebug logHidePaths dryRun
"""
TEXTS = """
    plexUrl plexToken plexLibraries plexPathMap plexHost plexPort tagID_emptystashid tagID_stashdb tagID_pmvstash
    tagID_porndb tagID_fansdb tagID_javstash
"""
NUMBERS = "maxTags maxRetries"
TYPES = {
    key: kind for kind, keys in (("BOOLEAN", SWITCHES), ("STRING", TEXTS), ("NUMBER", NUMBERS)) for key in keys.split()
}

TASKS = {
    "Check setup": {"mode": "check_setup"},
    "Preview": {"mode": "preview"},
    "Sync all": {"mode": "sync_all"},
    "Sync recent": {"mode": "sync_recent", "hours": "24"},
    "Show status": {"mode": "status"},
    "Process queue": {"mode": "process_queue"},
    "Process DLQ": {"mode": "process_dlq"},
    "Clear DLQ": {"mode": "clear_dlq"},
    "Clear queue": {"mode": "clear_queue"},
}
TRIGGERS = """
    Scene.Create.Post Scene.Update.Post Scene.Destroy.Post Performer.Update.Post Performer.Destroy.Post
    Studio.Update.Post Studio.Destroy.Post Tag.Update.Post Tag.Merge.Post Tag.Destroy.Post
"""


def own_files() -> list[Path]:
    """Return every file of the project, relative to its root."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(fnmatch(part, name) for part in path.parts for name in FOREIGN))


def text(name: str) -> str:
    """Return a file of the project as text."""
    return (ROOT / name).read_text("utf-8")


def test_manifest_has_only_keys_that_stash_accepts() -> None:
    """Stash rejects a plugin for one unknown key, so the manifest has exactly the contract's."""
    assert sorted(MANIFEST) == sorted(
        ["name", "description", "version", "url", "interface", "exec", "errLog", "ui", "hooks", "tasks", "settings"]
    )
    assert [sorted(hook) for hook in MANIFEST["hooks"]] == [["description", "name", "triggeredBy"]]
    assert all(sorted(task) == ["defaultArgs", "description", "name"] for task in MANIFEST["tasks"])
    assert all(sorted(entry) == ["description", "displayName", "type"] for entry in MANIFEST["settings"].values())


def test_manifest_says_how_to_start_the_plugin() -> None:
    """Name, interface, command and script are those that Stash and saved settings rely on."""
    assert MANIFEST["name"] == "PlexSync"
    assert MANIFEST["interface"] == "raw"
    assert MANIFEST["exec"] == ["python3", "-S", "{pluginDir}/PlexSync.py"]
    assert MANIFEST["errLog"] == "warning"
    assert MANIFEST["ui"] == {
        "javascript": ["ui/plexsync.js"],
        "css": ["ui/plexsync.css"],
        "assets": {"/": "ui"},
    }
    assert MANIFEST["url"].startswith("https://")


def test_manifest_names_the_hooks() -> None:
    """One hook entry has exactly the seven events; two entries would run each hook twice."""
    assert [hook["triggeredBy"] for hook in MANIFEST["hooks"]] == [TRIGGERS.split()]


def test_manifest_lists_the_tasks_in_order() -> None:
    """The nine tasks are in the order in which Stash shows them, each with its mode."""
    assert [(task["name"], task["defaultArgs"]) for task in MANIFEST["tasks"]] == list(TASKS.items())


def test_manifest_has_every_setting_with_its_type() -> None:
    """The manifest has every setting of the contract with its type, and no other."""
    assert {key: entry["type"] for key, entry in MANIFEST["settings"].items()} == TYPES


def test_the_code_reads_every_setting_of_the_manifest() -> None:
    """Manifest and code have the same keys, names and types, in the same order."""
    assert [(key.name, key.type, key.display_name) for key in settings.KEYS] == [
        (key, entry["type"], entry["displayName"]) for key, entry in MANIFEST["settings"].items()
    ]


def quoted_names(source: str) -> list[str]:
    """Return what the sentences of a module quote that looks like a setting's name: capitalised, several words."""
    tree = ast.parse(source)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    sentences = [value for value in constants if isinstance(value, str) and value not in docstrings]
    return [name for sentence in sentences for name in re.findall(r'"([A-Z][a-z]+ [^"{}]+)"', sentence)]


def test_sentences_name_settings_as_stash_does() -> None:
    """A setting that a sentence quotes has the name that Stash's page shows."""
    modules = [path.as_posix() for path in own_files() if path.parts[0] == "plexsync" and path.suffix == ".py"]
    quoted = {(name, module) for module in modules for name in quoted_names(text(module))}
    shown = {entry["displayName"] for entry in MANIFEST["settings"].values()}
    assert {name for name, _ in quoted} & shown
    assert [(name, module) for name, module in sorted(quoted) if name not in shown] == []


@pytest.mark.parametrize("key", [key for key in settings.KEYS if key.type == "NUMBER"], ids=lambda key: key.name)
def test_numbers_name_the_default_of_the_code(key: settings.Key) -> None:
    """Manifest and document give the code's default, because Stash shows 0."""
    assert MANIFEST["settings"][key.name]["description"].startswith(f"Default {key.default} (0 means the default).")
    assert f"(`{key.name}`) | NUMBER | {key.default} |" in text("docs/use/settings.md")


def described() -> list[tuple[str, str]]:
    """Return every description that Stash shows, with the name of what it describes."""
    entries = [(entry["name"], entry) for entry in [*MANIFEST["tasks"], *MANIFEST["hooks"], MANIFEST]]
    entries += MANIFEST["settings"].items()
    return [(name, entry["description"]) for name, entry in entries]


@pytest.mark.parametrize(("name", "description"), described())
def test_descriptions_are_short_and_plain(name: str, description: str) -> None:
    """A description fits on Stash's one line (110 characters) and has no markup, which Stash would show."""
    assert 0 < len(description) <= 110, name
    assert not re.search(r"[<`*_\n]|\]\(", description), name
    assert description.isascii(), name


@pytest.mark.parametrize("key", TYPES)
def test_setting_descriptions_begin_with_the_default(key: str) -> None:
    """The default comes first, because Stash does not show it."""
    assert re.match(r"(Default|No default)", MANIFEST["settings"][key]["description"])


def test_the_manifest_says_what_a_dlq_is() -> None:
    """Two tasks are named after the DLQ, so a description spells it out."""
    assert any("dead letter queue" in task["description"] for task in MANIFEST["tasks"])


def test_only_one_file_ends_in_yml() -> None:
    """Stash loads every ``*.yml`` below its plugins folder as a plugin, so there is only the manifest."""
    assert [path.as_posix() for path in own_files() if path.suffix == ".yml"] == ["PlexSync.yml"]


#: Spelled so that this file does not find itself. Stash's own image keeps its files in ``/root/.stash``.
FORBIDDEN = {
    "machine path": r"(?<![\w.*-])/(?:wor[k]|hom[e]/\w+|tm[p]/scratch|roo[t](?!/\.stash\b))/",
    "token": r"(?i:token)\W{1,4}(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{20}\b",
    "signed token": r"\bey[J][\w-]{10,}\.ey[J]",
    "package registry": r"py[p]i\.org|files[.]pythonhosted|registry[.]npm",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_private_is_in_the_tree(what: str) -> None:
    """No file has a machine's path, a token or a registry."""
    found = []
    for path in own_files():
        content = (ROOT / path).read_bytes().decode("utf-8", "replace")
        found += [f"{path}: {hit.group()}" for hit in re.finditer(FORBIDDEN[what], content)]
    assert found == []


LOADER = re.sub(r"^\s*//.*\n", "", text("ui/plexsync.js"), flags=re.MULTILINE).strip()
MODULES = [path for path in sorted(ROOT.glob("ui/**/*.js")) if path.name != "plexsync.js"]


def test_the_loader_calls_only_wake_and_only_stash() -> None:
    """Each page load of Stash costs one request, ``wake``, to Stash itself under its prefix."""
    assert LOADER.count("fetch(") == 1
    assert 'fetch(new URL("graphql", document.baseURI)' in LOADER
    wake = 'mutation{runPluginOperation(plugin_id:"PlexSync",args:{mode:"wake"})}'
    assert re.findall(r"mutation\{.*\}", LOADER) == [wake]
    assert 'credentials: "same-origin"' in LOADER
    assert ".catch(() => {})" in LOADER


def test_the_loader_is_guarded_from_end_to_end() -> None:
    """Whatever runs while the loader does, or within Stash's own components, is caught."""
    assert LOADER.startswith("(function () {")
    assert LOADER.endswith("})();")
    bare = re.sub(r"try \{.*?\n  \} catch \(error\) \{\n  \}", "", LOADER, flags=re.DOTALL)
    bold = r"  (?!$|const |let |//|\}|\s|if \(window\.plexSync\) return;)"
    assert [line for line in bare.splitlines() if re.match(bold, line)] == ['  "use strict";']
    assert len(re.findall(r"patch\.\w+\(", LOADER)) == 1, "every change of Stash's pages goes through the guarded one"
    assert LOADER.count("h(Guard") == 2, "what is added to Stash's pages has a boundary of its own"


def test_the_loader_knows_every_module() -> None:
    """After an update the page's files are fetched anew, every one, so that two versions never mix."""
    listed = "".join(re.findall(r'^  "([^"]+)"', text("ui/load.js"), flags=re.MULTILINE)).split()
    assert sorted(listed) == sorted(
        path.relative_to(ROOT / "ui").as_posix()[:-3] for path in MODULES if path.stem != "load"
    )


@pytest.mark.parametrize("path", [*MODULES, ROOT / "ui/plexsync.js"], ids=lambda path: path.name)
def test_a_script_asks_only_stash(path: Path) -> None:
    """No script names another host, leaves a path prefix, or imports by anything but a relative path."""
    script = re.sub(r"^\s*//.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    named = {
        host
        for host in re.findall(r"[a-z]+://([a-z0-9.-]+)", script)
        if not re.match(r"localhost$|127\.|192\.168\.", host)
    }
    assert named == set()
    assert re.findall(r"""fetch\((?!new URL\(|url, )|["'`]/(?:plugin|graphql|scene)/""", script) == []
    assert re.findall(r"XMLHttpRequest|sendBeacon|WebSocket|EventSource|eval\(|new Function|innerHTML", script) == []
    imported = re.findall(r"""(?:from|import)\s*\(?["'`]([^"'`]+)""", script)
    assert [name for name in imported if not re.fullmatch(r"\.{1,2}/[\w${}./-]+\.js", name)] == []
    paths = [path.parent / name for name in imported if "$" not in name]
    assert [target for target in paths if not target.is_file()] == []


def imports(path: Path, seen: set[Path]) -> set[Path]:
    """The module and all that it imports before it can run."""
    if path not in seen:
        seen.add(path)
        for name in re.findall(r'^import .* from "(.+)";$', path.read_text("utf-8"), flags=re.MULTILINE):
            imports((path.parent / name).resolve(), seen)
    return seen


def test_the_page_is_light() -> None:
    """The loader has at most 5 KB, the page with all that it needs at once 60 KB, and so has all of it packed."""
    assert len((ROOT / "ui/plexsync.js").read_bytes()) <= 5 * 1024
    page = imports(ROOT / "ui/page.js", {ROOT / "ui/load.js"})
    assert sum(path.stat().st_size for path in page) <= 60 * 1024
    packed = [gzip.compress(path.read_bytes(), 4) for path in (*MODULES, ROOT / "ui/plexsync.css")]
    assert sum(map(len, packed)) <= 60 * 1024


def test_the_licence_is_the_whole_agpl() -> None:
    """The licence file is the AGPL, version 3, from its first line to its last."""
    licence = text("LICENSE")
    assert licence.split("\n", 1)[0].strip() == "GNU AFFERO GENERAL PUBLIC LICENSE"
    assert "Version 3, 19 November 2007" in licence
    assert licence.rstrip().endswith("<https://www.gnu.org/licenses/>.")
    assert len(licence.splitlines()) == 661


BROKEN = {
    "key twice": "a: 1\na: 2\n",
    "tab": "a:\n\tb: 1\n",
    "anchor": "a: &x 1\n",
    "flow list": "a: [1]\n",
    "colon": "a: one: two\n",
    "comment": "a: one # two\n",
    "indentation": "a: 1\n   b: 2\n",
    "no key": "a\n",
    "no value": "a:\n",
    "single quotes": "a: 'x'\n",
    "open quotes": 'a: "x\n',
    "list and map": "- a\nb: 1\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_manifest_reader_is_strict(what: str) -> None:
    """Whatever Stash's reader rejects, or might read differently, is rejected here."""
    with pytest.raises(manifest.ManifestError):
        manifest.read(BROKEN[what])

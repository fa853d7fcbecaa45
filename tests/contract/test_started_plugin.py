"""The test server starts the plugin as Stash does; coverage and crash points enter without the product's help."""

from __future__ import annotations

import json
from pathlib import Path

import coverage
import pytest

from plexsync import hook
from tests.servers.stash import StashServer
from tests.servers.stash_hooks import plugin_command
from tests.support import manifest, start
from tests.support.processes import PLUGIN, until, worker_lives

#: A plugin that says how it was started.
STUB = """
import json, sys
STUB = 1
main = sys.modules["__main__"]
print(json.dumps({"output": {
    "flags": [sys.flags.no_site, "site" in sys.modules], "argv": sys.argv, "path": sys.path[0], "orig": sys.orig_argv,
    "main": [main.__file__, __name__, main.STUB],
}}))
"""

CONFIG = """
[run]
branch = true
parallel = true
data_file = {folder}/.coverage
patch = _exit
"""


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*start.MEASURE, start.CRASH, "PLEXSYNC_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_the_command_is_the_manifests() -> None:
    """Interpreter, flags and script come from ``exec``; without coverage and crash points there is nothing else."""
    words = manifest.read(PLUGIN.with_suffix(".yml").read_text("utf-8"))["exec"]
    assert plugin_command(PLUGIN, "/usr/bin/python3") == ["/usr/bin/python3", "-S", str(PLUGIN)]
    assert words == ["python3", "-S", "{pluginDir}/PlexSync.py"]


@pytest.mark.parametrize("entered", [False, True], ids=["as Stash does", "with a way in"])
def test_the_process_is_what_python_would_have_made_it(tmp_path: Path, entered: bool) -> None:
    """Flags, words, path and main module are the same whether the tests have put their own program before it or not."""
    script = tmp_path / "plugins" / "PlexSync" / "PlexSync.py"
    script.parent.mkdir(parents=True)
    script.write_text(STUB, "utf-8")
    with StashServer(tmp_path / "stash", script) as stash:
        if entered:
            (tmp_path / "sitecustomize.py").touch()
            stash.env = {start.CRASH: str(tmp_path), "PYTHONPATH": str(tmp_path)}
        said = stash.run_hook("Scene.Update.Post", 1).output
    assert said["flags"] == [1, False]
    assert (said["argv"], said["path"]) == ([str(script)], str(script.parent))
    assert said["main"] == [str(script), "__main__", 1]
    assert (len(said["orig"]) > 3) is entered


def test_coverage_counts_what_a_started_hook_runs(tmp_path: Path) -> None:
    """The lines of a hook that ran under ``-S`` are counted, and those of the worker that it started."""
    (tmp_path / "rc").write_text(CONFIG.format(folder=tmp_path), "utf-8")
    with StashServer(tmp_path / "stash", PLUGIN) as stash:
        stash.env = {"COVERAGE_PROCESS_START": str(tmp_path / "rc")}
        assert stash.run_hook("Scene.Update.Post", 1).output == "queued scene:1"
        until(lambda: worker_lives(stash.data_dir))
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    sources = [coverage.CoverageData(str(path)) for path in tmp_path.glob(".coverage.*")]
    for source in sources:
        source.read()
        data.update(source)
    counted = data.lines(str(PLUGIN.parent / "plexsync" / "hook.py"))
    assert counted, "no line of the hook was counted"
    handled = range(hook.handle.__code__.co_firstlineno + 1, hook.handle.__code__.co_firstlineno + 4)
    assert set(counted) & set(handled)


def test_the_answer_is_the_same_when_measured(tmp_path: Path) -> None:
    """A task that is measured gets its packages once, and answers as ever."""
    (tmp_path / "rc").write_text(CONFIG.format(folder=tmp_path), "utf-8")
    with StashServer(tmp_path / "stash", PLUGIN) as stash:
        answers = []
        for env in ({}, {"COVERAGE_PROCESS_START": str(tmp_path / "rc")}):
            stash.env = env
            answers.append(json.loads(stash.run_operation({"mode": "dead_letters"}).stdout))
    assert answers == [{"output": {"items": []}}] * 2
    assert list(tmp_path.glob(".coverage.*"))

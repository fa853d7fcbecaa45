"""What every system must do. Each check is a function of a new folder and of the interpreter that runs the plugin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from plexsync.core import environment, locks
from tests.support import interpreters
from tests.windows.ground import Ground, until

Check = Callable[[Path, str], None]

#: Stash's API key.
KEY = "kZ8-a-key-of-stash-4T"

#: So many hooks, and so many of them at once.
HOOKS, AT_ONCE = 200, 16

#: Names in scripts of which no code page has more than one.
FOREIGN = "\u041a\u0438\u043d\u043e \u6771\u4eac \u05e1\u05e8\u05d8"


def hooks_and_one_worker(folder: Path, python: str) -> None:
    """A hook's pipes reach their end while the worker that it started lives; the next one starts no other."""
    with Ground(folder, python) as ground:
        scene = ground.scene("first")
        ground.edit(scene, "first")
        first = until(ground.worker, "a worker")
        began = time.monotonic()
        for number in range(3):
            ground.edit(scene, f"edit {number}")
        assert time.monotonic() - began < 60
        ground.arrives(["edit 2"])
        assert until(ground.worker, "a worker")
        assert first
        assert ground.status()["worker"]["running"] is True
        answer = ground.call("wake")["output"]
        assert (answer["started"], answer["running"]) == (False, True)
        assert ground.parts() == []


def the_files_are_the_same_everywhere(folder: Path, python: str) -> None:
    """What others read has line feeds alone, and is UTF-8."""
    with Ground(folder, python) as ground:
        ground.edit(ground.scene(FOREIGN), FOREIGN)
        ground.arrives([FOREIGN])
        names = (environment.METRICS, environment.STATUS, environment.TIMESTAMPS, environment.LOG)
        for name in names:
            until((ground.folder / name).exists, name)
            assert b"\r" not in (ground.folder / name).read_bytes(), name
        until(lambda: FOREIGN in (ground.folder / environment.LOG).read_text("utf-8"), "the title in the log")


def a_connection_that_is_held_open(folder: Path, python: str) -> None:
    """While another program has connection.json open, hooks and the status answer the truth, and edits arrive."""
    with Ground(folder, python) as ground:
        scene = ground.scene("first")
        ground.edit(scene, "first")
        ground.arrives(["first"])
        with (ground.folder / environment.CONNECTION).open("rb"):
            for number in range(3):
                ground.edit(scene, f"edit {number}")
            assert ground.status()["problem"] is None
            assert ground.call("dead_letters") == {"output": {"items": []}}
            ground.arrives(["edit 2"])
        assert ground.parts() == []
        ground.edit(scene, "last")
        ground.arrives(["last"])


def a_log_that_is_held_open(folder: Path, python: str) -> None:
    """A log that another program shows is written on when it should be rotated."""
    with Ground(folder, python) as ground:
        scene = ground.scene("first")
        ground.folder.mkdir(parents=True)
        log = ground.folder / environment.LOG
        log.write_bytes(b'{"message": "old"}\n' * 300_000)
        with log.open("rb"):
            ground.edit(scene, "second")
            ground.arrives(["second"])
            until(lambda: "wrote" in ground_log(ground), "a line in the log")
        assert not [line for line in ground.stash.plugin_log if "failed to write" in line.message]


def ground_log(ground: Ground) -> str:
    """Return all of the log."""
    return "".join(path.read_text("utf-8") for path in ground.folder.glob(f"{environment.LOG}*"))


def _damaged(folder: Path, python: str, name: str) -> None:
    with Ground(folder, python) as ground:
        scene = ground.scene("first")
        ground.edit(scene, "first")
        ground.arrives(["first"])
        ground.end()
        for ending in ("-wal", "-shm"):
            (ground.folder / (name + ending)).unlink(missing_ok=True)
        (ground.folder / name).write_bytes(b"no database at all " * 400)
        ground.stash.scenes[scene].title = "second"
        ground.hook(scene)  # a damaged queue takes no edit, and the answer says so
        until(lambda: list(ground.folder.glob(f"{name}.damaged-*")), "the damaged file set aside")
        until(lambda: "error" not in ground.call("dead_letters"), "a new file")
        ground.edit(scene, "third")
        ground.arrives(["third"])
        assert ground.status()["problem"] is None


def a_damaged_state(folder: Path, python: str) -> None:
    """A ``state.db`` of garbage is set aside and made anew."""
    _damaged(folder, python, environment.STATE_DB)


def a_damaged_queue(folder: Path, python: str) -> None:
    """A ``queue.db`` of garbage is set aside and made anew."""
    _damaged(folder, python, environment.QUEUE_DB)


def many_hooks(folder: Path, python: str) -> None:
    """200 hooks on a cold folder: every one queues its edit, none answers a fault, every title arrives."""
    with Ground(folder, python) as ground:
        scenes = [ground.scene(f"film {number}") for number in range(HOOKS)]
        for at in range(0, HOOKS, AT_ONCE):
            several = scenes[at : at + AT_ONCE]
            started = [ground.start({"hookContext": {"id": one, "type": "Scene.Update.Post"}}) for one in several]
            said = [ground.answer(process) for process in started]
            assert said == [{"output": f"queued scene:{one}"} for one in several], said
        ground.arrives([f"film {number}" for number in range(HOOKS)])
        until(lambda: ground.parts() == [], "the end of every replacement")
        assert ground.status()["problem"] is None


def a_killed_worker(folder: Path, python: str) -> None:
    """A worker that was killed leaves its pid behind; the next edit starts another."""
    with Ground(folder, python) as ground:
        scene = ground.scene("first")
        ground.edit(scene, "first")
        ground.arrives(["first"])
        ground.end()
        ground.edit(scene, "second")
        ground.arrives(["second"])


def an_idle_process_that_goes_on(folder: Path, python: str) -> None:
    """The process that waits takes up the next edit, whether or not it is the one that worked."""
    with Ground(folder, python) as ground:
        scene = ground.scene("first")
        for number in range(2):
            ground.edit(scene, f"edit {number}")
            ground.arrives([f"edit {number}"])
            until(lambda: ground.status()["queue"]["in_progress"] == 0, "the end of the batch")
            until(ground.worker, "somebody who waits")
            time.sleep(1.5)  # longer than the worker lingers
            assert until(ground.worker, "somebody who waits")


def content(path: Path) -> bytes:
    """Return what is in the file; nothing if a process removes it at this moment, as SQLite does its own."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def the_key_reaches_the_process_that_waits(folder: Path, python: str) -> None:
    """Stash's API key, which is in no file, goes on from the process that worked to the one that waits."""
    with Ground(folder, python) as ground:
        ground.stash.credentials, ground.stash.api_key = ("somebody", "secret"), KEY
        scene = ground.scene("first")
        ground.edit(scene, "first")
        ground.arrives(["first"])
        first = until(ground.worker, "a worker")
        until(lambda: "finished a run" in ground_log(ground), "the end of the run, which asks for the key")
        until(lambda: not locks.WINDOWS or ground.worker() not in (0, first), "another process")
        ground.stash.expire_sessions()
        ground.stash.cookie_in_stdin = False
        ground.edit(scene, "second")
        ground.arrives(["second"])
        assert [path.name for path in ground.folder.iterdir() if KEY.encode() in content(path)] == []


def characters_of_other_scripts(folder: Path, python: str) -> None:
    """``status > file`` takes every character, whatever the code page is, and so do the documents for Stash."""
    with Ground(folder, python) as ground:
        ground.stash.configure(plexLibraries=FOREIGN)
        ground.hook(ground.scene("first"))
        until(lambda: FOREIGN in str(ground.status()["problem"]), "the library in the problem")
        for encoding in ("", "cp1252", "ascii", "utf-8"):
            for words in (["status"], ["status", "--json"], ["check-setup"]):
                env = {"PYTHONIOENCODING": encoding} if encoding else {}
                target = folder / "said.txt"
                with target.open("wb") as file:
                    done = ground.command(*words, stdout=file, stderr=file, env=env)
                said = target.read_bytes()
                assert b"Traceback" not in said, said
                assert done.returncode == (words == ["check-setup"]), (words, encoding, said)
                text = said.decode(encoding or "utf-8")
                if "--json" in words:
                    assert FOREIGN in json.loads(text)["problem"]
                else:
                    assert FOREIGN in text or "\\u041a" in text, text


def from_a_virtual_environment(folder: Path, python: str) -> None:
    """The same where Stash's Python is a virtual environment's: hooks, one worker, many hooks."""
    inner = interpreters.bare(folder / "venv")
    interpreters.lend(interpreters.packages_of(folder / "venv"))
    hooks_and_one_worker(folder / "first", str(inner))
    a_killed_worker(folder / "second", str(inner))
    an_idle_process_that_goes_on(folder / "third", str(inner))


CHECKS: tuple[Check, ...] = (
    hooks_and_one_worker,
    the_files_are_the_same_everywhere,
    a_connection_that_is_held_open,
    a_log_that_is_held_open,
    a_damaged_state,
    a_damaged_queue,
    a_killed_worker,
    an_idle_process_that_goes_on,
    the_key_reaches_the_process_that_waits,
    characters_of_other_scripts,
    many_hooks,
    from_a_virtual_environment,
)


def result(held: int, number: int) -> str:
    """Return the last line of a run."""
    return f"{held} of {number} checks held"


def main(names: list[str], python: str, folder: Path) -> int:
    """Run the checks of these names, or all; print each with its seconds and how many held. Return how many did not."""
    import traceback

    chosen = [check for check in CHECKS if not names or check.__name__ in names]
    held = 0
    for number, check in enumerate(chosen):
        began = time.monotonic()
        try:
            check(folder / str(number), python)
        except Exception:
            traceback.print_exc()
            print(f"FAILED {check.__name__}", flush=True)
        else:
            held += 1
            print(f"held   {check.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
    print(result(held, len(chosen)), flush=True)
    return len(chosen) - held

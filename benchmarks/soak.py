"""Nothing is lost, whatever breaks: edits under a rain of SIGKILLs, then a comparison of every item with a model.

    python -m benchmarks.soak --kills 1000 [--seed N] [--minutes M]

The real plugin runs between the tests' Stash and Plex (real processes and sockets, on loopback). Scenes are edited one
by one and in bulk, performers, studios and tags are renamed, tags are merged, covers replaced, and some changes fire no
hook. Meanwhile hooks, workers, idle workers and tasks are killed, at random instants and at the named points of
``tests/process/crash``; Plex is stopped and started, and answers with faults: it refuses images, one value, one item;
a proxy says 404; listings are empty, or their totals off by one; items go to the trash and come back, or are made anew
under another key; posters are lost. Scenes are undone: their items must be as Plex had them before PlexSync, unless an
edit follows. What is dead is started again as Stash would: by the next hook, a task, or the ``wake`` of a page. In the
end everything has to have arrived by itself.

The table: kills by kind; edits; dead letters of what Plex had refused, which are retried once when it refuses no more
(refused); scenes in Plex that are not as the model says (lost); requests that wrote to an item which is not the edited
scene's, and items changed that nobody edited (wrong); dead letters (dead). Exit status 1 if any of the last three is
not 0, or if the kills did not fit into ``--minutes``. The seed fixes what is done, not when processes get their turn.

A scene may see four deaths of the worker before it is left in peace, because five on end are its own fault by design
(tests/process/test_kill_memory.py). A merge of tags whose hook is killed leaves no trace in Stash but the scenes' new
tags: those arrive with the weekly comparison, so at the end a week is made to pass.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plexsync.model.scene import file_signature
from plexsync.queue.stock import DEAD
from tests.support.crash.sitecustomize import POINTS
from tests.support.process_model import World
from tests.support.processes import until

SCENES = 40
#: Deaths of the worker without a moment of peace; the fifth would bury what it works on.
MOST_DEATHS = 4
#: Seconds after which what should have arrived counts as lost.
PATIENCE = 120.0
WEEK = 7 * 86400
#: Catch-up and the end of an idle worker come often, so that both see kills.
OFTEN = {"PLEXSYNC_CATCHUP": "1", "PLEXSYNC_IDLE_EXIT": "1"}
FAULTS = ("500", "503_xml", "503_json", "429", "408", "reset", "reset_mid_body", "truncated_xml", "empty_200")
#: Faults of single requests that end by themselves: (kind, path).
PROXY = (("404_proxy", "metadata"), ("empty_container", "metadata"), ("empty_container", "/all"), ("403_proxy", "/"))
#: Dead letters that a person is expected to look at, because Plex refused the value for as long as it was tried.
REFUSED = ("rejected", "retries_exhausted")
TASKS = ("sync_all", "sync_recent", "process_queue")


def points(of: str) -> list[str]:
    """The named points of ``hook``, ``worker`` (idle ones too), ``task`` or ``undo``."""
    begins = ("worker", "idle") if of == "worker" else (of,)
    return [name for name in POINTS if name.startswith(begins)]


class Soak:
    """One run in one world."""

    def __init__(self, world: World, rng: random.Random, kills: int, seconds: float) -> None:
        self.world = world
        self.rng = rng
        self.wanted = kills
        self.kills: Counter[str] = Counter()
        self.edits = 0
        self.outages = 0
        self.faults = 0
        self.refused = 0
        self.undos = 0
        self.losses: Counter[str] = Counter()
        self.merged: set[int] = set()
        self._until = time.monotonic() + seconds
        self._deaths = 0

    # -- counting

    def at_points(self) -> Counter[str]:
        """Deaths by named point."""
        return Counter({name: len(self.world.victims(name)) for name in POINTS})

    @property
    def dead(self) -> int:
        """All kills so far."""
        return self.kills.total() + self.at_points().total()

    # -- one turn

    def run(self) -> None:
        """Turn by turn until there were enough kills, or the time is over."""
        while self.dead < self.wanted and time.monotonic() < self._until:
            self.turn()
        self.calm()

    def turn(self) -> None:
        """One edit and what may befall it."""
        rng = self.rng
        self.trouble()
        edit = rng.choices([self.single, self.bulk, self.rename, self.merge, self.silent], [60, 8, 10, 4, 8])[0]
        if rng.random() < 0.3:
            self.undo()
        with_point = rng.random() < 0.25
        point = rng.choice(points("hook"))
        if with_point:
            self.world.arm(point)
        edit(None if with_point or rng.random() < 0.5 else rng.uniform(0, 0.06))
        self.disarm(point)
        if rng.random() < 0.08:
            self.task()
        if rng.random() < 0.6:
            self.kill_worker()
        if rng.random() < 0.1:
            self.world.restart("wake", spare=0)
        if self._deaths >= MOST_DEATHS:
            self.calm()

    def trouble(self) -> None:
        """Plex stops, comes back, or fails for some requests."""
        plex, chance = self.world.plex, self.rng.random()
        if not plex.running and chance < 0.4:
            plex.start()
        elif plex.running and chance < 0.03:
            self.outages += 1
            plex.stop()
        elif chance < 0.1:
            self.faults += 1
            plex.fault(self.rng.choice(FAULTS), self.rng.randint(1, 3))
        elif chance < 0.14:
            self.faults += 1
            kind, path = self.rng.choice(PROXY)
            plex.fault(kind, self.rng.randint(1, 3), path=path)
        elif chance < 0.2:
            self.refuse()
        elif chance < 0.26:
            self.lose()

    def refuse(self) -> None:
        """Plex refuses some requests until it is well again: every image, one value, one item; or miscounts."""
        self.faults += 1
        plex, rng = self.world.plex, self.rng
        what = rng.choice(["images", "value", "item", "total", "well"])
        if what == "images":
            plex.fault("500", path="/(posters|arts)$", method="POST")
        elif what == "value":
            plex.fault("500", method="PUT", query=rf"collection\[\d+\].tag.tag=Studio {rng.randrange(3)}(&|$)")
        elif what == "item":
            plex.fault("403_proxy", method="PUT", query=rf"id={self.world.keys[self.scene()]}(&|$)")
        elif what == "total":
            plex.modes.total_off = rng.choice([-1, 1])
        else:
            self.well()

    def well(self) -> None:
        """Plex and all in front of it behave again, and nothing is in the trash."""
        plex = self.world.plex
        plex.clear_faults()
        plex.modes.total_off = 0
        for key in self.world.keys.values():
            if plex.items[key].deleted_at is not None:
                plex.edit_item(key, deleted_at=None)

    def lose(self) -> None:
        """Plex loses something of an item that belongs to an edited scene."""
        world, rng = self.world, self.rng
        what = rng.choice(["poster", "background", "key", "trash", "title"])
        if not world.edited:
            return
        number = rng.choice(sorted(world.edited))
        key = world.keys[number]
        self.losses[what] += 1
        if what in ("poster", "background"):
            world.plex.lose_image(key, "posters" if what == "poster" else "arts")
        elif what == "key":
            world.recreate(number)
        elif what == "trash":
            world.plex.edit_item(key, deleted_at=int(time.time()))
        else:
            world.plex.edit_item(key, title=f"film-{number}", locked=set())

    # -- edits; each may have its hook killed after so many seconds

    def save(self, change: Callable[[], Any], kind: str, number: int, kill_after: float | None) -> bool:
        """Change something in Stash, then run its hook; whether the hook came to its end."""
        change()
        self.edits += 1
        result = self.world.stash.run_hook(kind, number, kill_after=kill_after)
        self.kills["hook, random instant"] += result.killed
        return result.returncode == 0

    def scene(self) -> int:
        """Any scene."""
        return self.rng.randint(1, SCENES)

    def single(self, kill_after: float | None) -> None:
        """All fields of one scene, or its cover alone."""
        number, stash = self.scene(), self.world.stash
        changes = self.world.changes(number)
        if stash.scenes[number].cover and self.rng.random() < 0.15:
            changes = {"cover": changes["cover"]}
        self.save(lambda: stash.change_scene(number, **changes), "Scene.Update.Post", number, kill_after)

    def bulk(self, kill_after: float | None) -> None:
        """Many scenes; Stash runs hook after hook, and the killed one is the last: the browser was closed."""
        stash = self.world.stash
        numbers = self.rng.sample(range(1, SCENES + 1), 8)
        for number in numbers:
            stash.change_scene(number, **self.world.changes(number))
        last = self.rng.randrange(len(numbers))
        for at, number in enumerate(numbers):
            if not self.save(lambda: None, "Scene.Update.Post", number, kill_after if at == last else None):
                self.edits += len(numbers) - at - 1
                return

    def rename(self, kill_after: float | None) -> None:
        """A performer, studio or tag gets a new name; no scene is touched."""
        world = self.world
        kind = self.rng.choice(["performer", "studio", "tag"])
        number = self.rng.choice({"performer": world.performers, "studio": world.studios, "tag": world.tags}[kind])
        row = world.stash.store.table(kind)[number]

        def change() -> None:
            row.name, row.updated_at = f"{kind.title()} {number}, named {self.edits}", world.stash.store.stamp()

        self.save(change, f"{kind.title()}.Update.Post", number, kill_after)

    def merge(self, kill_after: float | None) -> None:
        """One tag goes up in another; a new one takes its place in later edits."""
        world = self.world
        gone, into = self.rng.sample(world.tags, 2)
        bearers = {number for number, scene in world.stash.scenes.items() if gone in scene.tags}
        whole = self.save(lambda: world.stash.merge_tags([gone], into, hook=False), "Tag.Merge.Post", into, kill_after)
        self.merged |= set() if whole else bearers
        world.tags[world.tags.index(gone)] = world.stash.add_tag(f"Tag {self.edits} instead")

    def silent(self, kill_after: float | None) -> None:
        """What fires no hook: the auto-tag task, a generated cover."""
        number, stash = self.scene(), self.world.stash
        if number not in self.world.edited:
            return
        self.edits += 1
        if self.rng.random() < 0.5:
            self.world.undone.discard(number)
            stash.auto_tag(number, [self.rng.choice(self.world.tags)])
        else:
            stash.generate_cover(number, self.world.changes(number)["cover"])

    # -- kills

    def disarm(self, point: str) -> bool:
        """Take back what was armed; whether nobody had come to it."""
        try:
            (self.world.crashes / point).unlink()
        except FileNotFoundError:
            return False
        return True

    def kill_worker(self) -> None:
        """The background process dies, at a point if it comes there, else now or in a moment."""
        rng = self.rng
        if rng.random() < 0.5:
            point = rng.choice(points("worker"))
            self.world.arm(point)
            self.world.stash.run_operation({"mode": "wake"})
            end = time.monotonic() + 1.0
            while (self.world.crashes / point).exists() and time.monotonic() < end:
                time.sleep(0.01)
            self._deaths += not self.disarm(point)
            return
        time.sleep(rng.uniform(0, 0.5))
        if self.world.kill_worker():
            self.kills["worker, random instant"] += 1
            self._deaths += 1

    def task(self) -> None:
        """A task is started and, mostly, stopped: by the user, or at a point.

        Whether it came to the scenes that were undone is open, so each of them is edited then.
        """
        rng = self.rng
        point = rng.choice(points("task"))
        by_point = rng.random() < 0.5
        if by_point:
            self.world.arm(point)
        task = self.world.stash.start_task(rng.choice(TASKS))
        if not by_point:
            task.ended.wait(rng.uniform(0, 1.0))
            task.stop()
        self.kills["task, random instant"] += task.wait(PATIENCE).killed
        self.disarm(point)
        for number in sorted(self.world.undone):
            self.world.stash.change_scene(number, **self.world.changes(number))
            self.save(lambda: None, "Scene.Update.Post", number, None)

    # -- undo

    def undo(self) -> None:
        """A person takes a scene back, of which Plex shows the last edit; whoever asks may die once it is noted."""
        synced = sorted(self.synced() & self.world.edited - self.world.undone)
        if not synced:
            return
        number = self.rng.choice(synced)
        point = self.rng.choice(points("undo"))
        if self.rng.random() < 0.3:
            self.world.arm(point)
        result = self.world.undo(number)
        self.disarm(point)
        assert result.returncode == -9 or (result.error is None and result.output["queued"] >= 1), result
        self.undos += 1

    def synced(self) -> set[int]:
        """The scenes whose last edit was carried out, by the plugin's own word.

        The times of this Stash run ahead, so that an edit that waits would count as later than the undo.
        """
        path = self.world.stash.data_dir / "state.db"
        if not path.exists():
            return set()
        conn = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            seen = dict(conn.execute("SELECT id, signature FROM seen WHERE kind = 'scene' AND synced > 0").fetchall())
        except sqlite3.OperationalError:  # it is being made
            return set()
        finally:
            conn.close()
        pending = {key for (key,) in self.world.rows("key")}
        return {
            number
            for number, scene in self.world.stash.scenes.items()
            if seen.get(number) == file_signature(scene.updated_at, [(file.id, file.path) for file in scene.files])
            and f"scene:{number}" not in pending
        }

    # -- peace

    def calm(self) -> None:
        """Plex is well, and the worker gets through its queue once; what was refused is retried by a person."""
        self.world.plex.start()
        self.well()
        until(lambda: self.awake() and self.is_empty(), PATIENCE, "an empty queue")
        refused = [
            row for row, status, why in self.world.rows("_id, status, reason") if status == DEAD and why in REFUSED
        ]
        if refused:
            self.refused += len(refused)
            self.world.call("retry", ids=refused)
            until(lambda: self.awake() and self.is_empty(), PATIENCE, "an empty queue")
        self._deaths = 0

    def awake(self) -> bool:
        """A page of Stash is opened if no worker lives; True."""
        if not self.world.worker_pid():
            self.world.restart("wake", spare=0)
        return True

    def is_empty(self) -> bool:
        """Whether no job is left but dead letters."""
        return all(status == DEAD for (status,) in self.world.rows("status"))

    def outcome(self) -> dict[str, int]:
        """``lost``, ``wrong``, ``dead`` after everything had its time to arrive."""
        world = self.world
        self.settle(lambda: not set(self.behind()) - self.merged)
        early = len(set(self.behind()) - self.merged)
        if self.behind():
            self.a_week_passes()
            self.settle(lambda: not self.behind())
        others = sum(name.startswith("item ") for name in world.different())
        dead = sum(status == DEAD for (status,) in world.rows("status"))
        return {"lost": max(early, len(self.behind())), "wrong": others + self.wrong_writes(), "dead": dead}

    def settle(self, condition: Callable[[], bool]) -> None:
        """Wait for it as long as patience lasts; what is missing then is counted."""
        try:
            until(lambda: self.awake() and condition(), PATIENCE)
        except TimeoutError:
            return

    def behind(self) -> list[int]:
        """The scenes that are not in Plex as they should be."""
        found = [name.partition(".")[0] for name in self.world.different() if not name.startswith("item ")]
        return sorted({int(number) for number in found})

    def a_week_passes(self) -> None:
        """Let the weekly comparison be due."""
        conn = sqlite3.connect(self.world.stash.data_dir / "state.db", timeout=30, isolation_level=None)
        conn.execute("INSERT OR REPLACE INTO meta VALUES ('compared', ?)", (json.dumps([time.time() - WEEK - 1, 0]),))
        conn.close()

    def wrong_writes(self) -> int:
        """Edits and images whose item is not that of an edited scene, or whose title is another scene's."""
        wrong = 0
        for request in [*self.world.plex.writes(), *self.world.plex.uploads()]:
            key = request.param("id") if request.method == "PUT" else request.path.split("/")[3]
            number = self.world.numbers.get(int(key or 0), 0)
            title = request.param("title.value")
            is_mine = not title or title.startswith(f"Film {number}, ") or title == f"film-{number}"
            wrong += number not in self.world.edited or not is_mine
        return wrong + self.world.plex.disaster


def report(soak: Soak, outcome: dict[str, int], seconds: float) -> None:
    """Prints the table."""
    at_points = soak.at_points()
    by_kind = {**soak.kills}
    for kind in ("hook", "worker", "task", "undo"):
        by_kind[f"{kind}, named point"] = sum(at_points[name] for name in points(kind))
    print("kills by kind")
    for name, number in sorted(by_kind.items()):
        print(f"  {name:<26}{number:>8}")
    print(f"  {'in all':<26}{soak.dead:>8}")
    hit = sum(1 for number in at_points.values() if number)
    print(
        f"  (at {hit} of {len(POINTS)} named points; never: {', '.join(p for p in POINTS if not at_points[p]) or '-'})"
    )
    plex = soak.world.plex
    rows = {
        "edits": soak.edits, "stops of Plex": soak.outages, "faults of Plex": soak.faults,
        "losses of Plex": soak.losses.total(), "refused": soak.refused, "undone": soak.undos,
        "writes to Plex": len(plex.writes()), "images": len(plex.uploads()), **outcome, "seconds": round(seconds),
    }  # fmt: skip
    for name, number in rows.items():
        print(f"{name:<28}{number:>8}")


def main(arguments: Sequence[str]) -> int:
    """Runs; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), SCENES, **OFTEN) as world:
        soak = Soak(world, random.Random(chosen.seed), chosen.kills, chosen.minutes * 60)
        soak.run()
        outcome = soak.outcome()
        report(soak, outcome, time.monotonic() - began)
        if any(outcome.values()):
            print(f"not as it should be: {world.different()}\n{world.rows('key, status, reason, message')}")
        else:
            print("Nothing lost.")
        return int(any(outcome.values()) or soak.dead < chosen.kills)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whatever happens to the queue in whatever order, its rows are those of the model and every rule of a job holds."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from plexsync.core import enqueue, environment, locks
from plexsync.queue import bulk, dead_letters, jobs, schema
from plexsync.queue.meta import QueueMeta
from plexsync.queue.worker_queue import Job, JobQueue, Settlement
from tests.support.queue_model import DEAD, LEASED, PENDING, Model
from tests.support.queue_tools import NOW, job_keys

KEYS = [*(f"scene:{number}" for number in range(1, 6)), "performer:1"]
SOME = st.lists(st.sampled_from(KEYS), min_size=1, max_size=6, unique=True)
HORIZON = environment.horizon()
REASONS = st.sampled_from(["low_confidence", "not_in_plex", "rejected", "retries_exhausted"])


def no_pause(_: float) -> None:
    """Skip the pause that is meant for hooks of other processes."""


class QueueMachine(RuleBasedStateMachine):
    """Hooks, tasks, the worker and people at one queue, in any order, with a clock that jumps."""

    @initialize()
    def begin(self) -> None:
        """Make an empty queue and a hook's connection to it; no task runs."""
        self.folder = tempfile.mkdtemp()
        self.now = NOW
        self.model = Model()
        self.leased: dict[str, Job] = {}
        self.tasks = 0
        self.task_fd: int | None = None
        self.generations: dict[int, int] = {}
        self.open()

    def open(self) -> None:
        """Open both sides. Not durable: other tests cover that, and it would cost most of the time here."""
        self.queue = JobQueue(self.folder, lambda: self.now)
        self.hook = schema.open_queue(self.folder, self.now)
        for conn in (self.queue.conn, self.hook):
            conn.execute("PRAGMA synchronous=OFF")

    def teardown(self) -> None:
        """Close and delete everything."""
        if hasattr(self, "queue"):
            self.close()
            if self.task_fd is not None:
                os.close(self.task_fd)
            shutil.rmtree(self.folder)

    def close(self) -> None:
        """Close both sides."""
        self.queue.close()
        self.hook.close()

    @property
    def alive(self) -> str:
        """The id of the task that runs, or ``""``."""
        return "" if self.task_fd is None else f"t{self.tasks}"

    # -- what comes in

    @rule(key=st.sampled_from(KEYS), settle=st.sampled_from([0.0, 2.0, 300.0]), priority=st.sampled_from([0, 0, 1]))
    def edit(self, key: str, settle: float, priority: int) -> None:
        """A hook queues an edit, which raises the counter of edits."""
        before = QueueMeta(self.hook).edits
        enqueue.enqueue(self.hook, key, "edit", self.now, self.now + settle, priority)
        self.model.edit(key, self.now + settle, priority)
        assert QueueMeta(self.hook).edits == before + 1

    @rule(keys=SOME)
    def fan_out(self, keys: list[str]) -> None:
        """A rename queues scenes."""
        jobs.enqueue_many(self.queue.conn, job_keys(keys), "tag:1", self.now, jobs.FAN_OUT, no_pause)
        for key in keys:
            self.model.edit(key, self.now, 1)

    @rule(keys=SOME)
    def catch_up(self, keys: list[str]) -> None:
        """Catch-up adds missing rows and touches nothing else."""
        new = [key for key in keys if key not in self.model.rows]
        added = jobs.add_missing(self.queue.conn, job_keys(keys), "catch-up", self.now, jobs.FAN_OUT, no_pause)
        assert added == len(new)
        for key in new:
            self.model.edit(key, self.now, 1)

    # -- tasks

    @precondition(lambda self: self.task_fd is None)
    @rule()
    def start_task(self) -> None:
        """A task starts: it holds the lock."""
        self.tasks += 1
        self.task_fd = locks.open_lock(os.path.join(self.folder, environment.TASK_LOCK))
        assert locks.try_lock(self.task_fd)
        locks.write_text(self.task_fd, self.alive)

    @precondition(lambda self: self.task_fd is not None)
    @rule(keys=SOME)
    def mark(self, keys: list[str]) -> None:
        """The task marks scenes."""
        bulk.mark_many(self.hook, job_keys(keys), "Sync all", self.alive, self.now, no_pause)
        for key in keys:
            self.model.mark(key, self.alive, self.now)

    @precondition(lambda self: self.task_fd is not None)
    @rule(by_itself=st.booleans())
    def end_task(self, by_itself: bool) -> None:
        """The task ends and hands its rows over, or is killed."""
        assert self.task_fd is not None
        if by_itself:
            mine = [row for row in self.model.rows.values() if row.bulk and row.task_id == self.alive]
            assert bulk.hand_over(self.hook, self.alive, no_pause) == len(mine)
            for row in mine:
                row.bulk = False
        os.close(self.task_fd)
        self.task_fd = None

    @rule()
    def drop_stopped(self) -> None:
        """The worker drops what a stopped task had marked, and only that."""
        assert bulk.drop_stopped(self.queue.conn, self.folder, no_pause) == self.model.drop(self.alive)

    # -- the worker

    @rule(limit=st.integers(1, 4))
    def lease(self, limit: int) -> None:
        """Only due rows are leased, in order of priority, and one that may kill the worker alone."""
        rows = self.model.rows
        due = [key for key in rows if self.model.is_due(key, self.now, HORIZON)]
        leased = self.queue.lease(limit)
        taken = [str(job.key) for job in leased]
        right = {key: (rows[key].priority, rows[key].due) for key in due}
        suspects = {key for key in due if rows[key].rescues >= 2}
        retries = {key for key in due if rows[key].priority == jobs.RETRY}
        assert set(taken) <= set(due)
        assert [right[key] for key in taken] == sorted(right[key] for key in taken)
        assert bool(taken) == bool(due)
        if set(taken) & suspects:
            assert len(taken) == 1
        else:
            passed_over = [right[key] for key in due if key not in taken and key not in suspects | retries]
            assert len(set(taken) - retries) == min(limit, len(set(due) - retries)) or suspects
            assert all(right[key] <= other for key in set(taken) - retries for other in passed_over)
            assert len(taken) <= limit or len(retries.intersection(taken)) <= jobs.OVERDUE_AT_ONCE
        for job in leased:
            row = rows[str(job.key)]
            assert (job.attempts, job.rescues, job.bulk, job.task_id) == (
                row.attempts, row.rescues, row.bulk, row.task_id,
            )  # fmt: skip
            row.state = LEASED
            self.leased[str(job.key)] = job

    @precondition(lambda self: self.leased)
    @rule(
        data=st.data(),
        to=st.sampled_from(["done", "later", "waiting", "dead", "release"]),
        delay=st.sampled_from([0.0, 5.0, 3600.0]),
        reason=REASONS,
    )
    def settle(self, data: st.DataObject, to: str, delay: float, reason: str) -> None:
        """A leased job ends in any of the possible ways."""
        key = data.draw(st.sampled_from(sorted(self.leased)))
        job = self.leased.pop(key)
        attempts = job.attempts + (to in ("later", "waiting", "dead"))
        self.queue.settle(
            [
                Settlement(
                    job,
                    "later" if to == "waiting" else to,
                    due=self.now + delay,
                    attempts=attempts,
                    waiting=self.now if to == "waiting" else None,
                    reason=reason,
                    priority=jobs.RETRY if to == "later" else 0,
                )
            ]
        )
        self.model.settle(key, to, self.now, self.now + delay, attempts, reason)

    @rule()
    def release(self) -> None:
        """The worker is asked to end: it releases its batch."""
        self.queue.release(list(self.leased.values()))
        for key in self.leased:
            self.model.settle(key, "release", self.now, 0.0, 0, None)
        self.leased.clear()

    @rule()
    def crash(self) -> None:
        """The worker is killed; the next one rescues what it had leased."""
        self.close()
        self.open()
        assert self.queue.unack_count() == len(self.leased)
        self.queue.resume_unack_tasks()
        self.model.rescue()
        self.leased.clear()

    @rule(times=st.sampled_from([2, 5, 12]))
    def crash_again_and_again(self, times: int) -> None:
        """Something kills the worker each time it begins."""
        for _ in range(times):
            self.lease(4)
            self.queue.resume_unack_tasks()
            self.model.rescue()
            self.leased.clear()

    @precondition(lambda self: self.task_fd is None)
    @rule(keys=SOME, limit=st.integers(1, 3))
    def stop(self, keys: list[str], limit: int) -> None:
        """A task is killed while the worker has its rows leased."""
        self.start_task()
        self.mark(keys)
        self.lease(limit)
        self.end_task(by_itself=False)
        self.drop_stopped()

    @rule(scenes=st.sets(st.integers(1, 6)))
    def gained(self, scenes: set[int]) -> None:
        """Plex gains files that waiting scenes may need."""
        woken = jobs.wake_scenes(self.queue.conn, scenes, self.now, no_pause)
        assert woken == self.model.wake([f"scene:{number}" for number in scenes], self.now)

    @rule()
    def filled(self) -> None:
        """The index was filled."""
        assert jobs.wake_all_waiting(self.queue.conn, self.now, no_pause) == self.model.wake(KEYS, self.now)

    # -- people

    @rule(keys=SOME, discard=st.booleans())
    def dead_letters(self, keys: list[str], discard: bool) -> None:
        """Dead letters are retried or discarded by id; ids of other rows mean nothing."""
        ids = [row for row, key in self.hook.execute("SELECT _id, key FROM ack_queue_default") if key in keys]
        dead = [key for key in self.model.where(DEAD) if key in keys]
        if discard:
            self._discarded(dead)
            assert dead_letters.discard(self.hook, ids, no_pause) == len(dead)
            for key in dead:
                del self.model.rows[key]
        else:
            assert dead_letters.retry(self.hook, ids, self.now, no_pause) == len(dead)
            self.model.revive(dead, self.now)

    def _discarded(self, keys: list[str]) -> None:
        """What is discarded stays away up to its newest edit, also if something was cleared earlier."""
        edited = dict(self.hook.execute("SELECT key, timestamp FROM ack_queue_default").fetchall())
        for key in keys:
            self.model.cleared[key] = max(edited[key], self.model.cleared.get(key, edited[key]))

    @rule(keep=st.sampled_from([(), ("retries_exhausted",)]), task_id=st.sampled_from([None, "t0"]))
    def process_dlq(self, keep: tuple[str, ...], task_id: str | None) -> None:
        """Process DLQ or changed settings retry dead letters."""
        dead = [key for key in self.model.where(DEAD) if self.model.rows[key].reason not in keep]
        assert dead_letters.retry_all(self.hook, self.now, task_id, keep, no_pause) == len(dead)
        self.model.revive(dead, self.now, task_id)

    @rule(dead=st.booleans())
    def clear(self, dead: bool) -> None:
        """Clear DLQ or Clear queue."""
        gone = self.model.where(DEAD if dead else PENDING)
        if dead:
            self._discarded(gone)
            assert dead_letters.clear_dead(self.hook, no_pause) == len(gone)
        else:
            assert dead_letters.clear_pending(self.hook, self.now, no_pause) == len(gone)
            self.model.cleared |= dict.fromkeys(gone, self.now)
        for key in gone:
            del self.model.rows[key]

    @rule(seconds=st.sampled_from([1.0, 30.0, 3600.0, -3600.0, 7200.0, -1e6]))
    def clock(self, seconds: float) -> None:
        """Time passes, or the clock jumps."""
        self.now += seconds

    # -- what always holds

    @invariant()
    def rows_are_the_models(self) -> None:
        """There is one row for each key of the model, in the same state, and no other."""
        rows = self.hook.execute(
            "SELECT key, status, due, priority, attempts, rescues, waiting, bulk, task, reason FROM ack_queue_default"
        ).fetchall()
        wanted = {
            (key, row.state, row.due, row.priority, row.attempts, row.rescues, row.waiting, int(row.bulk), row.task_id)
            for key, row in self.model.rows.items()
        }
        assert len(rows) == len(self.model.rows)
        assert {row[:-1] for row in rows} == wanted
        assert {row[0]: row[-1] for row in rows if row[1] == DEAD} == {
            key: self.model.rows[key].reason for key in self.model.where(DEAD)
        }

    @invariant()
    def generations_only_rise(self) -> None:
        """A row's generation never falls, and is above the leased one exactly when it was edited since."""
        now = {row[0]: row[1:] for row in self.hook.execute("SELECT _id, generation, key FROM ack_queue_default")}
        for row, (generation, key) in now.items():
            assert generation >= self.generations.get(row, 0)
            if key in self.leased:
                assert (generation > self.leased[key].generation) is self.model.rows[key].edited
        self.generations = {row: values[0] for row, values in now.items()}

    @invariant()
    def counts_agree(self) -> None:
        """Every way of counting agrees; an empty queue is still a queue."""
        pending, leased, dead = (len(self.model.where(state)) for state in (PENDING, LEASED, DEAD))
        waiting = sum(row.state == PENDING and row.waiting is not None for row in self.model.rows.values())
        counted = jobs.counts(self.hook)
        assert (self.queue.size, self.queue.unack_count(), self.queue.ack_failed_count()) == (pending, leased, dead)
        assert (counted["pending"], counted["waiting"]) == (pending - waiting, waiting)
        assert (counted["in_progress"], counted["dead"]) == (leased, dead)
        assert self.queue

    @invariant()
    def next_due_is_right(self) -> None:
        """The worker never sleeps past a row that is due, and never wakes when nothing is pending."""
        wanted = self.queue.next_due()
        assert (wanted is None) == (not self.model.where(PENDING))
        if wanted is not None:
            assert (wanted <= self.now) == any(self.model.is_due(key, self.now, HORIZON) for key in self.model.rows)

    @invariant()
    def cleared_is_remembered(self) -> None:
        """What Clear queue removed is remembered with its time."""
        assert {
            str(key): at for key, at in dead_letters.cleared_at(self.hook, job_keys(KEYS)).items()
        } == self.model.cleared

    @invariant()
    def bulk_is_somebodys(self) -> None:
        """A bulk row has a task and is not dead; no transaction is open."""
        bulk = self.hook.execute("SELECT count(*) FROM ack_queue_default WHERE bulk AND (task IS NULL OR status = 9)")
        assert bulk.fetchone()[0] == 0
        assert not self.queue.conn.in_transaction
        assert Path(self.folder, environment.QUEUE_DB).exists()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.__doc__ = (
    "The rows are the model's after any history of edits, tasks, crashes, clears and clock jumps."
)
TestQueueMachine.settings = settings(
    max_examples=22, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

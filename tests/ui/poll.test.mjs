import assert from "node:assert/strict";
import { test } from "node:test";
import { poller, SLOW } from "../../ui/poll.js";

const OK = { health: { state: "ok" } };
const BUSY = { health: { state: "busy" }, status: { queue: { in_progress: 1 } } };

/** A poller under a clock of its own; `answer` and `jobs` are what Stash says, or functions. */
function stage(answer = OK, jobs = []) {
  const at = { now: 0, timers: new Map(), next: 1, hidden: false, asked: [], askedJobs: [], shown: [], answer, jobs };
  const say = (what) => Promise.resolve(typeof what === "function" ? what() : what);
  const poll = poller({
    ask: () => (at.asked.push(at.now), say(at.answer)),
    jobs: () => (at.askedJobs.push(at.now), say(at.jobs)),
    show: (state) => at.shown.push(state),
    hidden: () => at.hidden,
    clock: () => at.now,
    later: (call, ms) => (at.timers.set(at.next, [at.now + ms, call]), at.next++),
    cancel: (id) => at.timers.delete(id),
  });
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await null;
  };
  const pass = async (ms) => {
    const end = at.now + ms;
    for (;;) {
      await settle();
      const due = [...at.timers].filter(([, [when]]) => when <= end).sort((a, b) => a[1][0] - b[1][0])[0];
      if (!due) break;
      at.timers.delete(due[0]);
      at.now = Math.max(at.now, due[1][0]);
      due[1][1]();
    }
    at.now = end;
    await settle();
  };
  return { at, poll, pass, last: () => at.shown[at.shown.length - 1] };
}

test("While nothing moves the page asks every 15 seconds, for jobs too: a task may be started elsewhere.", async () => {
  const { at, poll, pass } = stage();
  poll.refresh();
  await pass(61_000);
  assert.deepEqual(at.asked, [0, 15_000, 30_000, 45_000, 60_000]);
  assert.deepEqual(at.askedJobs, at.asked);
});

test("While something moves it asks every 4 seconds, for jobs too.", async () => {
  const { at, poll, pass } = stage(BUSY);
  poll.refresh();
  await pass(12_500);
  assert.deepEqual(at.asked, [0, 4_000, 8_000, 12_000]);
  assert.deepEqual(at.askedJobs, [0, 4_000, 8_000, 12_000]);
});

test("A queue that is held, and does not change, counts as still until it changes.", async () => {
  const { at, poll, pass } = stage(BUSY);
  poll.refresh();
  await pass(100_000);
  const pauses = at.asked.slice(1).map((when, place) => when - at.asked[place]);
  assert.deepEqual([pauses[0], pauses[pauses.length - 1]], [4_000, 15_000]);
  let left = 9;
  at.answer = () => ({ ...BUSY, status: { queue: { in_progress: 1, pending: left-- } } });
  await pass(40_000);
  assert.equal(at.asked[at.asked.length - 1] - at.asked[at.asked.length - 2], 4_000);
});

test("The progress of a task is followed by the cheap question between the dear ones.", async () => {
  const { at, poll, pass } = stage(OK, [{ id: "1", name: "Sync all" }]);
  poll.refresh();
  await pass(8_500);
  assert.deepEqual(at.asked, [0, 4_000, 8_000]);
  assert.ok(at.askedJobs.length > 5);
});

test("A hidden page asks nothing, and a page that is seen again asks at once.", async () => {
  const { at, poll, pass } = stage();
  poll.refresh();
  await pass(1_000);
  at.hidden = true;
  await pass(600_000);
  assert.deepEqual(at.asked, [0]);
  at.hidden = false;
  poll.refresh();
  await pass(0);
  assert.deepEqual(at.asked, [0, 601_000]);
});

test("There is never a second question while the first waits; what was wanted meanwhile is asked after it, once.", async () => {
  let free;
  const { at, poll, pass } = stage(() => new Promise((resolve) => (free = resolve)));
  poll.refresh();
  for (let turn = 0; turn < 5; turn += 1) {
    poll.refresh(true);
    await pass(10_000);
  }
  assert.deepEqual(at.asked, [0]);
  free(OK);
  await pass(0);
  assert.deepEqual(at.asked, [0, 50_000]);
});

test("An answer that takes 10 seconds is said to be slow, until it comes.", async () => {
  let free;
  const { poll, pass, last } = stage(() => new Promise((resolve) => (free = resolve)));
  poll.refresh();
  await pass(SLOW - 1);
  assert.ok(!last() || !last().slow);
  await pass(1);
  assert.equal(last().slow, true);
  free(OK);
  await pass(0);
  assert.deepEqual([last().slow, last().data], [false, OK]);
});

test("After a failure the last data stay, with the sentence, and the pauses grow.", async () => {
  const { at, poll, pass, last } = stage();
  poll.refresh();
  await pass(0);
  at.answer = () => Promise.reject(new Error("No."));
  await pass(15_000);
  assert.deepEqual([last().data, last().at, last().problem.message], [OK, 0, "No."]);
  await pass(300_000);
  const pauses = at.asked.slice(1).map((when, place) => when - at.asked[place]);
  assert.deepEqual(pauses.slice(0, 7), [15_000, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  at.answer = OK;
  await pass(60_000);
  assert.equal(last().problem, null);
});

test("An action makes the page look at once, and often for a while.", async () => {
  const { at, poll, pass } = stage();
  poll.refresh();
  await pass(5_000);
  poll.refresh(true);
  await pass(6_000);
  assert.deepEqual(at.asked, [0, 5_000, 6_500, 8_000, 9_500, 11_000]);
  await pass(60_000);
  assert.ok(at.asked.length < 15);
});

test("A task that has left the queue is told once.", async () => {
  const { at, poll, pass, last } = stage(OK, [{ id: "1", name: "Preview" }]);
  poll.refresh();
  await pass(2_000);
  at.jobs = [];
  await pass(2_000);
  assert.deepEqual([last().jobs, last().ended.name], [[], "Preview"]);
  const { ended } = last();
  await pass(60_000);
  assert.equal(last().ended, ended);
});

test("A queue that cannot be asked changes nothing.", async () => {
  const { at, poll, pass, last } = stage(BUSY, [{ id: "1", name: "Preview" }]);
  poll.refresh();
  await pass(1_000);
  at.jobs = () => Promise.reject(new Error("No."));
  await pass(9_000);
  assert.deepEqual([last().jobs.length, last().problem], [1, null]);
});

test("A page that is left asks nothing more, and shows nothing of what still comes.", async () => {
  let free;
  const { at, poll, pass } = stage(() => new Promise((resolve) => (free = resolve)));
  poll.refresh();
  await pass(1_000);
  const shown = at.shown.length;
  poll.stop();
  free(OK);
  await pass(600_000);
  assert.deepEqual([at.asked, at.shown.length], [[0], shown]);
});

// When the page asks: never while hidden, never twice at once, often while something moves, rarely while it fails.
import { moving, queue } from "./view.js";

export const SLOW = 10000;
const QUICK = 1500;
const MOVING = 4000;
const STILL = 15000;
const FAILING = [5000, 10000, 20000, 40000, 60000];
// Answers in which the queue is the same, after which it counts as still: a dry run holds it for days.
const SAME = 5;
// After an action things move a moment later.
const AFTER = 12000;

/**
 * Keep a page up to date. `ask()` and `jobs()` return promises; `show(state)` gets
 * {data, at, problem, slow, jobs, ended}; `hidden()` tells whether nobody looks.
 */
export function poller({ ask, jobs, show, hidden, clock = () => Date.now(), later = setTimeout, cancel = clearTimeout }) {
  let state = { data: null, at: 0, problem: null, slow: false, jobs: [], ended: null };
  let [timer, running, again, stopped, failures, same, acted, asked] = [null, false, false, false, 0, 0, -Infinity, -Infinity];

  const set = (changes) => {
    state = { ...state, ...changes };
    if (!stopped) show(state);
  };
  const active = () => clock() - acted < AFTER;
  const moves = () => state.jobs.length > 0 || (same < SAME && moving(state.data, []));
  const told = (data) => JSON.stringify(queue(data));
  const wait = () =>
    failures ? FAILING[Math.min(failures, FAILING.length) - 1] : active() ? QUICK : moves() ? MOVING : STILL;

  function schedule() {
    cancel(timer);
    if (stopped || hidden()) return;
    const rest = Math.max(0, asked + wait() - clock());
    timer = later(round, state.jobs.length && !failures ? Math.min(QUICK, rest) : rest);
  }

  async function look() {
    asked = clock();
    const slow = later(() => set({ slow: true }), SLOW);
    try {
      const data = await ask();
      failures = 0;
      same = state.data && told(data) === told(state.data) ? same + 1 : 0;
      set({ data, at: clock(), problem: null, slow: false });
    } catch (problem) {
      failures += 1;
      set({ problem, slow: false });
    } finally {
      cancel(slow);
    }
  }

  async function lookForJobs() {
    let found;
    try {
      found = await jobs();
    } catch (problem) {
      return; // The next round tells.
    }
    const gone = state.jobs.filter((job) => !found.some((other) => other.id === job.id));
    if (gone.length) acted = clock();
    set(gone.length ? { jobs: found, ended: { ...gone[0], at: clock() } } : { jobs: found });
  }

  async function round(force) {
    cancel(timer);
    if (stopped || hidden()) return;
    if (running) {
      again = again || force === true;
      return;
    }
    running = true;
    again = false;
    const due = force === true || clock() - asked >= wait();
    const wanted = due || state.jobs.length || active() || moves();
    await Promise.all([due ? look() : null, wanted ? lookForJobs() : null]);
    running = false;
    if (again) round(true);
    else schedule();
  }

  return {
    /** Look at once; `action`: the user did something, so look often for a while. */
    refresh(action) {
      if (action) acted = clock();
      return round(true);
    },
    stop() {
      stopped = true;
      cancel(timer);
    },
  };
}

// Following what takes time: a poll while the page is visible, a task until it has ended.
import { jobs, task } from "./api.js";
import { React, useEffect, useRef, useState } from "./parts.js";

/** Call `look` now and `seconds` after each answer, while `on` and while the page is visible. */
export function usePoll(look, seconds, on) {
  const newest = useRef(look);
  newest.current = look;
  useEffect(() => {
    if (!on) return undefined;
    let timer;
    let busy = false;
    let ended = false;
    const turn = async () => {
      clearTimeout(timer);
      if (busy || document.hidden) return;
      busy = true;
      await Promise.resolve(newest.current()).catch(() => {});
      busy = false;
      if (!ended) timer = setTimeout(turn, seconds * 1000);
    };
    document.addEventListener("visibilitychange", turn);
    turn();
    return () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", turn);
    };
  }, [seconds, on]);
}

/** Follow the task `name`, also one that runs already: {job, start()}; `ended` is called when it has ended. */
export function useTask(name, ended) {
  const [job, setJob] = useState();
  usePoll(
    async () => {
      const found = (await jobs()).find((one) => (job ? String(one.id) === String(job.id) : one.name === name));
      if (job && !found) ended();
      setJob(found || null);
    },
    1,
    job !== null,
  );
  return { job, start: async (args) => setJob({ id: await task(name, args) }) };
}

/** Whether the component is still there: for answers that come late. */
export function useAlive() {
  const alive = useRef(true);
  React.useEffect(() => () => void (alive.current = false), []);
  return alive;
}

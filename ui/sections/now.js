import { query, stopJob, task } from "../api.js";
import { Action, h, Nothing, Section, useEffect, useOverview, useState } from "../parts.js";
import { count, fill, now, number, queue } from "../view.js";
import { W } from "../words.js";

/** What runs: tasks with their progress, or the worker. */
export function Now() {
  const { data, jobs } = useOverview();
  const { tasks, sentence } = now(data, jobs);
  const running = tasks.find((job) => job.progress !== null);
  return h(
    Section,
    { name: "now", title: W.now.title, "data-progress": running ? running.progress.toFixed(3) : undefined },
    sentence ? h(Nothing, null, sentence) : null,
    tasks.map((job) =>
      h(
        "div",
        { key: job.id, className: "setting plexsync-row", "data-job-id": job.id },
        h(
          "div",
          { className: "plexsync-text" },
          h("h3", null, job.name),
          job.progress === null
            ? h("div", { className: "sub-heading text-muted" }, job.note)
            : h(
                "div",
                { className: "progress" },
                h(
                  "div",
                  {
                    className: "progress-bar",
                    role: "progressbar",
                    "aria-label": fill(W.now.progress, { task: job.name }),
                    "aria-valuemin": 0,
                    "aria-valuemax": 100,
                    "aria-valuenow": job.percent,
                    style: { width: `${job.percent}%` },
                  },
                  h("span", null, `${job.percent} %`),
                ),
              ),
        ),
        job.stoppable
          ? h("div", { className: "plexsync-actions" }, h(Action, { action: "stop", icon: "faXmark", onClick: () => stopJob(job.id), done: fill(W.page.stopped, { task: job.name }) }, W.now.stop))
          : null,
      ),
    ),
  );
}

/** The question of Sync all, which names how many scenes there are. */
function AllScenes() {
  const [scenes, setScenes] = useState("");
  useEffect(() => {
    let alive = true;
    query("{findScenes(filter:{per_page:1}){count}}").then(
      (data) => alive && setScenes(count(data.findScenes.count, "scene")),
      () => {},
    );
    return () => void (alive = false);
  }, []);
  return fill(W.queue.allText, { scenes: scenes || W.queue.allScenes });
}

const start = (name) => () => task(name);
const started = (name) => fill(W.page.started, { task: name });

/** How much there is to do. */
export function Queue() {
  const told = queue(useOverview().data);
  const tile = (name, value) => h("div", { key: name }, h("dt", { className: "text-muted" }, W.queue[name]), h("dd", null, number(value)));
  return h(
    Section,
    {
      name: "queue",
      title: W.queue.title,
      "data-ready": told.ready,
      "data-waiting": told.waiting,
      "data-in-progress": told.inProgress,
      "data-dead": told.dead,
      actions: [
        h(Action, { key: 1, action: "sync-recent", icon: "faClock", onClick: start("Sync recent"), done: started(W.queue.recent) }, W.queue.recent),
        h(
          Action,
          {
            key: 2,
            action: "sync-all",
            icon: "faArrowsRotate",
            variant: "primary",
            onClick: start("Sync all"),
            done: started(W.queue.all),
            ask: { title: W.queue.allTitle, text: h(AllScenes), confirm: W.queue.all },
          },
          W.queue.all,
        ),
      ],
    },
    h("dl", { className: "plexsync-tiles content" }, ["ready", "inProgress", "waiting", "dead"].map((name) => tile(name, told[name]))),
    told.oldest ? h(Nothing, null, told.oldest) : null,
  );
}

import { query, stopJob, task } from "../api.js";
import { Action, el, h, Nothing, Section, useEffect, useOverview, useState } from "../parts.js";
import { count, fill, now, number, queue } from "../view.js";
import { W } from "../words.js";

const words = W.now;

/** What runs, with its progress, and how much there is to do. */
export default function Now() {
  const { data, jobs } = useOverview();
  const { tasks, sentence } = now(data, jobs);
  const running = tasks.find((job) => job.progress !== null);
  const start = (name) => () => task(name);
  return h(
    Section,
    {
      name: "now",
      title: words.title,
      "data-progress": running ? running.progress.toFixed(3) : undefined,
      actions: [
        h(Action, { key: 1, action: "sync-recent", icon: "faClock", say: words.recent, onClick: start("Sync recent") }),
        h(Action, {
          key: 2,
          action: "sync-all",
          icon: "faArrowsRotate",
          variant: "primary",
          onClick: start("Sync all"),
          say: words.all,
          ask: { title: words.all.title, confirm: words.all.label, text: h(AllScenes) },
        }),
      ],
    },
    sentence ? h(Nothing, null, sentence) : null,
    tasks.map((job) => h(Job, { key: job.id, job })),
    h(Queue, { told: queue(data) }),
  );
}

function Job({ job }) {
  const bar = {
    role: "progressbar",
    "aria-label": fill(words.progress, { task: job.name }),
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": job.percent,
    style: { width: `${job.percent}%` },
  };
  return el(
    ".setting.plexsync-row",
    { "data-job-id": job.id },
    el(
      ".plexsync-text",
      h("h3", null, job.name, job.progress === null ? null : el("span.text-muted", ` ${job.percent} %`)),
      job.progress === null ? null : el(".progress", el(".progress-bar", bar)),
      job.note ? el(".sub-heading.text-muted", job.note) : null,
    ),
    job.stoppable ? el(".plexsync-actions", h(Action, { action: "stop", icon: "faXmark", onClick: () => stopJob(job.id) }, words.stop)) : null,
  );
}

/** The question of Sync all names how many scenes there are. */
function AllScenes() {
  const [scenes, setScenes] = useState(words.allScenes);
  useEffect(() => {
    let alive = true;
    const got = (data) => alive && setScenes(count(data.findScenes.count, "scene"));
    query("{findScenes(filter:{per_page:1}){count}}").then(got).catch(() => {});
    return () => void (alive = false);
  }, []);
  return fill(words.allText, { scenes });
}

const Queue = ({ told }) =>
  el(
    "div",
    { "data-plexsync": "queue", "data-ready": told.ready, "data-waiting": told.waiting, "data-in-progress": told.inProgress, "data-dead": told.dead },
    el(
      "dl.plexsync-tiles.content",
      ["ready", "inProgress", "waiting", "dead"].map((name) => h("div", { key: name }, h("dt", null, words[name]), h("dd", null, number(told[name])))),
    ),
  );

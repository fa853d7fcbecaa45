// From what `overview` answers to what is shown. Pure: no page, no clock, no network. Anything may be missing or odd.
import { W } from "./words.js";

const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const whole = (value) => (value > 0 && value < Infinity ? Math.floor(value) : 0);
export const list = (value) => (Array.isArray(value) ? value.filter((row) => row && typeof row === "object") : []);

export const fill = (text, values) =>
  String(text).replace(/\{(\w+)\}/g, (all, key) => (values && values[key] !== undefined ? values[key] : all));

/** One line of text without control and direction characters. */
export const clean = (value) =>
  value === null || value === undefined || typeof value === "object"
    ? ""
    : String(value)
        .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
        .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
        .trim();

export const number = (value) => String(whole(value)).replace(/\B(?=(\d{3})+$)/g, ",");

export const count = (value, noun) => `${number(value)} ${noun}${whole(value) === 1 ? "" : "s"}`;

/** The number in an operation's answer, whatever its name. */
export const numberIn = (answer) => Object.values(object(answer)).find((value) => typeof value === "number") || 0;

/** Milliseconds of an ISO time, or of seconds; NaN for anything else. */
const instant = (at) => (typeof at === "number" ? at * 1000 : typeof at === "string" ? Date.parse(at) : NaN);

/** "40 s", "3 min", "2 h 5 min", "4 days". */
export function duration(seconds) {
  const all = whole(Math.round(seconds));
  const [s, min, h] = W.time.units;
  const minutes = Math.floor(all / 60);
  const hours = Math.floor(minutes / 60);
  if (!minutes) return `${all} ${s}`;
  if (!hours) return `${minutes} ${min}`;
  if (hours >= 24) return count(Math.floor(hours / 24), "day");
  return minutes % 60 ? `${hours} ${h} ${minutes % 60} ${min}` : `${hours} ${h}`;
}

/** "3 min ago", "in 2 h"; less than five seconds is now. */
export function ago(at, now) {
  const seconds = (now - instant(at)) / 1000;
  if (Number.isNaN(seconds)) return W.never;
  if (Math.abs(seconds) < 5) return seconds < 0 ? W.time.soon : W.time.now;
  return fill(seconds < 0 ? W.time.in : W.time.ago, { span: duration(Math.abs(seconds)) });
}

/** "for 28 s"; "" if unknown. */
export function lasting(at, now) {
  const seconds = (now - instant(at)) / 1000;
  return Number.isNaN(seconds) ? "" : fill(W.time.lasting, { span: duration(seconds) });
}

/** The whole time as `locale` writes it (undefined: as the browser does). */
export function exact(at, locale) {
  const then = new Date(instant(at));
  if (Number.isNaN(+then)) return "";
  try {
    return then.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
  } catch (error) {
    return then.toLocaleString();
  }
}

/** "1:02:03"; "" if unknown. */
export function length(seconds) {
  const all = whole(Math.round(seconds));
  const two = (part) => String(part % 60).padStart(2, "0");
  const minutes = Math.floor(all / 60);
  if (!all) return "";
  return minutes < 60 ? `${minutes}:${two(all)}` : `${Math.floor(minutes / 60)}:${two(minutes)}:${two(all)}`;
}

/** "1.4 GB"; "" if unknown. */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let left = whole(bytes);
  if (!left) return "";
  while (left >= 999.5 && units.length > 1) {
    left /= 1000;
    units.shift();
  }
  return `${units[0] !== "B" && left < 99.5 ? left.toFixed(1) : Math.round(left)} ${units[0]}`;
}

// A longer value is cut to what differs, with a little before it.
const WIDE = 90;
const BEFORE = 20;

const cut = (all, start) => (start ? "…" : "") + all.slice(start, start + WIDE).join("") + (all.length > start + WIDE ? "…" : "");

// What no reader sees apart (blanks, composed accents, marks without width) is spelled out.
const seen = (text) => clean(text).normalize("NFC").replace(/[\u200b-\u200d\ufeff]/g, "").replace(/\s+/g, " ");
const spelled = (text) =>
  String(text || "").replace(/ /g, "␣").replace(/[^!-~␣]/g, (mark) => (/[\p{L}\p{N}]/u.test(mark) ? mark : `\\u${mark.charCodeAt(0).toString(16)}`));

const names = (value) => (Array.isArray(value) ? value.map(clean).filter(Boolean) : clean(value) ? [clean(value)] : []);

function lists(old, next) {
  const [a, b] = [names(old), names(next)];
  const both = a.filter((name) => b.includes(name)).length;
  const [gone, added] = [a.filter((name) => !b.includes(name)), b.filter((name) => !a.includes(name))];
  const whole = [a.join(", "), b.join(", ")];
  if (!both || !(gone.length || added.length) || Math.max(whole[0].length, whole[1].length) <= WIDE) return diff(...whole);
  const told = (own) => cut(Array.from([...own, fill(W.others, { count: both })].join(", ")), 0);
  return { old: told(gone), next: told(added) };
}

/** Two values, {old, next}, shortened so that what differs is in sight; of long lists what is gone and what is new. */
export function diff(old, next) {
  if (Array.isArray(old) || Array.isArray(next)) return lists(old, next);
  let [a, b] = [clean(old), clean(next)];
  if (seen(a) === seen(b)) [a, b] = [spelled(old), spelled(next)];
  const [p, q] = [Array.from(a), Array.from(b)];
  let from = 0;
  while (from < p.length && p[from] === q[from]) from += 1;
  const start = Math.max(0, Math.min(from - BEFORE, Math.max(p.length, q.length) - WIDE));
  return { old: cut(p, start), next: cut(q, start) };
}

const worded = (table) => (name) => table[name] || clean(name).replace(/_/g, " ") || W.unknown;
export const field = worded(W.fields);
export const reason = worded(W.reasons);
export const evidence = worded(W.evidence);

/** The address of an item on Plex's web page, "" if unknown; a Plex beside Stash is found where Stash is. */
export function webLink(template, key, here) {
  if (!/^https?:\/\//i.test(template) || !clean(key)) return "";
  const address = template.split("{key}").join(encodeURIComponent(clean(key)));
  return address.replace(/^(https?:\/\/)(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)(?=[:/]|$)/i, (all, scheme) => (here ? scheme + here : all));
}

/** A scene's title, else its file's name, else its number. */
export function title(row) {
  const id = clean(row.scene_id);
  return clean(row.title) || clean(row.path).split(/[\\/]/).pop() || (id ? fill(W.untitled, { id }) : clean(row.key) || W.noScene);
}

function scene(row) {
  const sceneId = clean(row.scene_id);
  return { sceneId, title: title(row), path: clean(row.path), link: sceneId && `/scenes/${encodeURIComponent(sceneId)}` };
}

const SIGNS = {
  setup: ["faGear", "text-warning"],
  problem: ["faTriangleExclamation", "text-danger"],
  away: ["faPlug", "text-warning"],
  attention: ["faTriangleExclamation", "text-warning"],
  busy: ["faArrowsRotate", "text-info"],
  waiting: ["faClock", "text-info"],
  ok: ["faCircleCheck", "text-success"],
};
const status = (data) => object(object(data).status);

export function health(data) {
  const said = object(object(data).health);
  const state = SIGNS[said.state] ? said.state : "problem";
  const [icon, tone] = SIGNS[state];
  return { state, sentence: clean(said.sentence) || clean(status(data).problem) || W.health.old, todo: clean(said.what_to_do), icon, tone };
}

export function queue(data) {
  const told = object(status(data).queue);
  return {
    ready: whole(told.pending),
    waiting: whole(told.waiting),
    inProgress: whole(told.in_progress),
    dead: whole(told.dead),
  };
}

/** `sentence` is about the worker, or that nothing runs. */
export function now(data, jobs) {
  const tasks = list(jobs).map((job) => {
    const queued = job.status === "READY";
    const part = Math.min(1, Math.max(0, +job.progress || 0));
    return {
      id: clean(job.id),
      name: clean(job.name),
      progress: queued ? null : part,
      percent: Math.round(part * 100),
      note: queued ? W.now.queued : job.status === "STOPPING" ? W.now.stopping : "",
      stoppable: job.status !== "STOPPING",
    };
  });
  const { inProgress } = queue(data);
  return { tasks, sentence: inProgress ? fill(W.now.working, { jobs: count(inProgress, "job") }) : tasks.length ? "" : W.now.idle };
}

/** Whether something moves, so that the page should look often. */
export const moving = (data, jobs) => list(jobs).length > 0 || queue(data).inProgress > 0 || object(object(data).health).state === "busy";

const pictures = (value) =>
  Array.isArray(value) ? value.map(field).join(", ") : whole(value) ? count(value, "picture") : typeof value === "string" ? field(value) : "";

export const recent = (data, here) =>
  list(object(data).recent).map((row) => ({
    ...scene(row),
    web: webLink(data.web, row.rating_key, here),
    at: row.at,
    undo: row.kind === "undo",
    chosen: row.chosen === true,
    changes: list(row.changes).map((change) => ({ field: field(change.field), old: change.old, next: change.new })),
    images: pictures(row.images),
  }));

export function candidate(row, template, here) {
  const [key, path] = [clean(row.rating_key), clean(row.path)];
  return {
    key,
    title: clean(row.title) || path.split(/[\\/]/).pop() || fill(W.dead.item, { key }),
    path,
    facts: [size(row.size), length(row.duration)].filter(Boolean),
    evidence: evidence(row.evidence),
    why: clean(row.why),
    web: webLink(template, key, here),
  };
}

/** What a dead letter says; `beside`: its candidates stand beside it, so it need not send the user to them. */
export const message = (value, beside) => (beside ? clean(value).replace(/ Choose the right item on PlexSync's page\b.*$/, "") : clean(value));

/** `left`: how many are not in the list. */
export function dead(data) {
  const rows = list(object(data).dead).map((row) => ({
    ...scene(row),
    id: row.id,
    reason: reason(row.reason),
    message: message(row.message, list(row.candidates).length),
    attempts: whole(row.attempts) ? count(row.attempts, "attempt") : "",
    since: row.first_seen || row.last_seen,
    candidates: list(row.candidates),
  }));
  return { rows, total: Math.max(rows.length, queue(data).dead), left: whole(object(object(data).more).dead) };
}

export function waiting(data, at) {
  const rows = list(object(data).waiting).map((row) => {
    const [since, next] = [instant(row.since), instant(row.next)];
    return {
      ...scene(row),
      since: since ? fill(W.waiting.since, { span: duration((at - since) / 1000) }) : "",
      next: next ? fill(W.waiting.next, { when: next <= at ? W.time.soon : ago(row.next, at) }) : "",
    };
  });
  return { rows, total: Math.max(rows.length, queue(data).waiting), left: whole(object(object(data).more).waiting) };
}

export const outages = (data, at, locale) =>
  list(object(data).outages).map((row) => {
    const to = instant(row.to);
    const span = duration(((to || at) - instant(row.from)) / 1000);
    return {
      title: fill(to ? W.outages.closed : W.outages.open, { from: exact(row.from, locale) || W.unknown, span }),
      cause: clean(row.cause),
      held: whole(row.held) ? fill(W.outages.held, { jobs: count(row.held, "job") }) : "",
    };
  });

/** Numbers since the beginning: [[name, text]]. */
export function totals(data, at) {
  const told = status(data);
  const numbers = { ...object(told.totals), ...object(told.requests) };
  const keys = ["synced", "unchanged", "skipped", "retried", "dead", "plex_reads", "plex_writes", "stash"];
  const rows = keys.filter((key) => key in numbers).map((key) => [W.totals[key], number(numbers[key])]);
  if (told.worker) rows.push([W.totals.worker, told.worker.running ? W.totals.running : W.totals.resting]);
  if (told.last_catchup) rows.push([W.totals.catchup, ago(told.last_catchup, at)]);
  if (told.version) rows.push([W.totals.version, clean(told.version)]);
  return rows;
}

const ALL = ["now", "dead", "waiting", "recent", "preview", "outages", "totals", "tools"];

/** The sections below health: while PlexSync is not set up a checklist with what runs, else everything. */
export function sections({ data }, tab) {
  if (!data) return tab === "setup" ? ["setup"] : [];
  const unready = health(data).state === "setup";
  if (tab === "preview") return unready ? ["setup", ...ALL] : ALL;
  return unready || tab === "setup" ? ["setup", "now"] : ALL;
}

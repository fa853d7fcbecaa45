// From what `overview` answers to what is shown. Pure: no page, no clock, no network. Anything may be missing or odd.
import { W } from "./words.js";

export const list = (value) => (Array.isArray(value) ? value.filter((row) => row && typeof row === "object") : []);
const map = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const whole = (value) => (Number.isFinite(+value) && +value > 0 && typeof value !== "boolean" ? Math.floor(+value) : 0);

/** Fill {name} in a sentence. */
export const fill = (text, values) =>
  String(text).replace(/\{(\w+)\}/g, (all, key) => (values && values[key] !== undefined ? values[key] : all));

/** One line of text as it may be shown: no control or direction characters. */
export const clean = (value) =>
  value === null || value === undefined || typeof value === "object"
    ? ""
    : String(value)
        .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
        .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
        .trim();

export const number = (value) => String(whole(value)).replace(/\B(?=(\d{3})+$)/g, ",");

/** "1 scene", "3 scenes". */
export const count = (value, noun) => {
  const [one, many] = W.nouns[noun] || [noun, `${noun}s`];
  return `${number(value)} ${whole(value) === 1 ? one : many}`;
};

/** Milliseconds since the epoch of an ISO time or of seconds; NaN for anything else. */
export const instant = (at) => (typeof at === "number" ? at * 1000 : typeof at === "string" && at ? Date.parse(at) : NaN);

/** A span in its largest unit, two below a day: "40 s", "3 min", "2 h 5 min", "4 days". */
export function duration(seconds) {
  const all = Math.max(0, Math.round(+seconds || 0));
  const [s, min, h] = W.time.units;
  if (all < 60) return `${all} ${s}`;
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return `${minutes} ${min}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} ${h} ${minutes % 60} ${min}` : `${hours} ${h}`;
  return count(Math.floor(hours / 24), "day");
}

/** "3 min ago", "in 2 h"; a few seconds either way are "just now" and "now". */
export function ago(at, now) {
  const then = instant(at);
  if (Number.isNaN(then)) return W.never;
  const seconds = (now - then) / 1000;
  if (Math.abs(seconds) < 5) return seconds < 0 ? W.time.soon : W.time.now;
  return fill(seconds < 0 ? W.time.in : W.time.ago, { span: duration(Math.abs(seconds)) });
}

/** A time in the reader's own format. */
export function exact(at) {
  const then = instant(at);
  return Number.isNaN(then) ? "" : new Date(then).toLocaleString();
}

/** A film's length, "1:02:03"; "" if unknown. */
export function length(seconds) {
  const all = Math.round(+seconds || 0);
  if (all <= 0) return "";
  const two = (part) => String(part).padStart(2, "0");
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A file's size, "1.4 GB"; "" if unknown. */
export function size(bytes) {
  let left = +bytes || 0;
  if (left <= 0) return "";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; left >= 999.5 && unit < 4; unit += 1) left /= 1000;
  return `${unit && left < 99.5 ? left.toFixed(1) : Math.round(left)} ${units[unit]}`;
}

const listed = (value) => (Array.isArray(value) ? value.map(clean).filter(Boolean) : null);
const WINDOW = 90;
const BEFORE = 20;

function cut(all, from, to) {
  const start = from > BEFORE + 3 ? from - BEFORE : 0;
  const end = all.length - start > WINDOW ? Math.min(all.length, Math.max(start + WINDOW / 2, Math.min(to + BEFORE, start + WINDOW))) : all.length;
  return (start ? "…" : "") + all.slice(start, end).join("") + (end < all.length ? "…" : "");
}

// A difference that no reader sees (blanks, composed accents) is spelled out.
const plain = (text) => text.normalize("NFC").replace(/\s+/g, " ").trim();
const spelled = (text) =>
  text.replace(/\s/g, "␣").replace(/[\u0300-\u036f\u200b-\u200d\ufeff]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Two values, shortened around what differs. Of lists, what is gone and what is new; `same` others stay. */
export function diff(old, next) {
  const [before, after] = [listed(old), listed(next)];
  if (before || after) {
    const [a, b] = [before || (clean(old) ? [clean(old)] : []), after || (clean(next) ? [clean(next)] : [])];
    const gone = a.filter((name) => !b.includes(name));
    const added = b.filter((name) => !a.includes(name));
    if (gone.length || added.length)
      return { old: cut(Array.from(gone.join(", ")), 0, 0), next: cut(Array.from(added.join(", ")), 0, 0), same: a.length - gone.length };
    return { old: cut(Array.from(a.join(", ")), 0, 0), next: cut(Array.from(b.join(", ")), 0, 0), same: 0 };
  }
  let [x, y] = [clean(old), clean(next)];
  if (x !== y && plain(x) === plain(y)) {
    const raw = (value) => (value === null || value === undefined ? "" : String(value));
    [x, y] = [spelled(raw(old)), spelled(raw(next))];
  } else if (x === y && typeof old === "string" && typeof next === "string" && old !== next) [x, y] = [spelled(old), spelled(next)];
  const [p, q] = [Array.from(x), Array.from(y)];
  let from = 0;
  while (from < p.length && from < q.length && p[from] === q[from]) from += 1;
  let end = 0;
  while (end < p.length - from && end < q.length - from && p[p.length - 1 - end] === q[q.length - 1 - end]) end += 1;
  return { old: cut(p, from, p.length - end), next: cut(q, from, q.length - end), same: 0 };
}

/** What a person calls a field of Plex. */
export const field = (name) => W.fields[name] || clean(name) || W.unknown;
export const reason = (name) => W.reasons[name] || clean(name) || W.unknown;
export const evidence = (name) => W.evidence[name] || clean(name).replace(/_/g, " ");

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[?::1\]?|0\.0\.0\.0)$/i;

/** The address of an item on Plex's web page; "" if unknown. Where Plex runs beside Stash, it is `here`, Stash's host. */
export function webLink(template, key, here) {
  if (typeof template !== "string" || !/^https?:\/\//i.test(template) || key === null || key === undefined || key === "") return "";
  const address = template.split("{key}").join(encodeURIComponent(String(key)));
  const parts = /^(https?:\/\/)(\[[^\]]*\]|[^:/?#]*)(.*)$/i.exec(address);
  return parts && here && LOOPBACK.test(parts[2]) ? parts[1] + here + parts[3] : address;
}

/** A scene as a heading: its title, else its file's name, else its number. */
export function title(row) {
  const path = clean(row.path);
  const id = clean(row.scene_id);
  return clean(row.title) || path.split(/[\\/]/).pop() || (id ? fill(W.untitled, { id }) : clean(row.key) || W.noScene);
}

const ICONS = {
  setup: ["faGear", "text-warning"],
  problem: ["faTriangleExclamation", "text-danger"],
  away: ["faPlug", "text-warning"],
  attention: ["faTriangleExclamation", "text-warning"],
  busy: ["faArrowsRotate", "text-info"],
  waiting: ["faClock", "text-info"],
  ok: ["faCircleCheck", "text-success"],
};

/** Health: {state, sentence, todo, icon, tone}. */
export function health(data) {
  const said = map(map(data).health);
  const state = ICONS[said.state] ? said.state : "problem";
  const [icon, tone] = ICONS[state];
  const sentence = clean(said.sentence) || clean(map(map(data).status).problem) || W.health.old;
  return { state, sentence, todo: clean(said.what_to_do), icon, tone };
}

/** The queue in numbers. */
export function queue(data) {
  const told = map(map(map(data).status).queue);
  const numbers = { ready: whole(told.pending), waiting: whole(told.waiting), inProgress: whole(told.in_progress), dead: whole(told.dead) };
  const oldest = whole(told.oldest_seconds);
  return { ...numbers, oldest: oldest ? fill(W.queue.oldest, { span: duration(oldest) }) : "" };
}

/** What runs: tasks of ours in Stash's queue, else the worker, else nothing. */
export function now(data, jobs) {
  const tasks = list(jobs).map((job) => {
    const part = Math.min(1, Math.max(0, +job.progress || 0));
    const waits = job.status === "READY";
    return {
      id: clean(job.id),
      name: clean(job.name || job.description),
      progress: waits ? null : part,
      percent: Math.round(part * 100),
      note: waits ? W.now.queued : job.status === "STOPPING" ? W.now.stopping : "",
      stoppable: job.status !== "STOPPING",
    };
  });
  const { inProgress } = queue(data);
  return { tasks, sentence: inProgress ? fill(W.now.working, { jobs: count(inProgress, "job") }) : tasks.length ? "" : W.now.idle };
}

/** Whether something moves, so that the page should look often. */
export const moving = (data, jobs) => list(jobs).length > 0 || queue(data).inProgress > 0 || map(map(data).health).state === "busy";

const sceneLink = (id) => (clean(id) ? `/scenes/${encodeURIComponent(clean(id))}` : "");
const names = (value) => (Array.isArray(value) ? value.map((name) => field(name)).join(", ") : value === true ? W.fields.poster : "");

/** The last synced scenes. */
export const recent = (data, here) =>
  list(map(data).recent).map((row) => ({
    sceneId: clean(row.scene_id),
    title: title(row),
    link: sceneLink(row.scene_id),
    web: webLink(data.web, row.rating_key, here),
    at: row.at,
    undo: row.kind === "undo",
    changes: list(row.changes).map((change) => ({ field: field(change.field), old: change.old, next: change.new })),
    images: names(row.images),
  }));

/** A candidate: {key, title, path, facts, evidence, why, web}. */
export function candidate(row, template, here) {
  const key = clean(row.rating_key);
  const path = clean(row.path);
  return {
    key,
    title: clean(row.title) || path.split(/[\\/]/).pop() || fill(W.dead.item, { key }),
    path,
    facts: [size(row.size), length(row.duration)].filter(Boolean),
    evidence: evidence(row.evidence),
    why: clean(row.why),
    web: webLink(template, row.rating_key, here),
  };
}

/** What needs the user, newest first; how many are not in the list. */
export function dead(data) {
  const rows = list(map(data).dead).map((row) => ({
    id: row.id,
    sceneId: clean(row.scene_id),
    title: title(row),
    path: clean(row.path),
    link: sceneLink(row.scene_id),
    reason: reason(row.reason),
    message: clean(row.message),
    attempts: whole(row.attempts) ? count(row.attempts, "attempt") : "",
    since: row.first_seen || row.last_seen,
    candidates: list(row.candidates),
  }));
  const total = Math.max(rows.length, queue(data).dead);
  return { rows, total, left: rows.length ? Math.max(whole(map(map(data).more).dead), 0) : total };
}

/** Scenes whose file Plex does not have yet. */
export function waiting(data, at) {
  const rows = list(map(data).waiting).map((row) => ({
    sceneId: clean(row.scene_id),
    title: title(row),
    path: clean(row.path),
    link: sceneLink(row.scene_id),
    since: Number.isNaN(instant(row.since)) ? "" : fill(W.waiting.since, { span: duration((at - instant(row.since)) / 1000) }),
    next: Number.isNaN(instant(row.next)) ? "" : fill(W.waiting.next, { when: instant(row.next) <= at ? W.time.soon : ago(row.next, at) }),
  }));
  return { rows, total: Math.max(rows.length, queue(data).waiting), left: whole(map(map(data).more).waiting) };
}

/** When Plex was away, newest first. */
export const outages = (data, at) =>
  list(map(data).outages).map((row) => {
    const [from, to] = [instant(row.from), instant(row.to)];
    const span = duration(((Number.isNaN(to) ? at : to) - from) / 1000);
    return {
      open: Number.isNaN(to),
      when: fill(Number.isNaN(to) ? W.outages.open : W.outages.closed, { from: exact(row.from) || W.unknown, span }),
      cause: clean(row.cause),
      held: whole(row.held) ? fill(W.outages.held, { jobs: count(row.held, "job") }) : "",
    };
  });

/** Numbers since the beginning: [[name, text]]. */
export function totals(data, at) {
  const status = map(map(data).status);
  const [done, asked] = [map(status.totals), map(status.requests)];
  const rows = [
    ...["synced", "unchanged", "skipped", "retried", "dead"].filter((key) => key in done).map((key) => [W.totals[key], number(done[key])]),
    ...["plex_reads", "plex_writes", "stash"].filter((key) => key in asked).map((key) => [W.totals[key], number(asked[key])]),
  ];
  if (status.worker) rows.push([W.totals.worker, map(status.worker).running ? W.totals.running : W.totals.resting]);
  if (status.last_catchup) rows.push([W.totals.catchup, ago(status.last_catchup, at)]);
  if (status.version) rows.push([W.totals.version, clean(status.version)]);
  return rows;
}

/** The sections below health, in their order: a checklist while PlexSync is not set up, else everything. */
export function sections(state, tab) {
  const { data, jobs } = state;
  if (!data) return tab === "setup" ? ["setup"] : [];
  if (tab !== "setup" && health(data).state !== "setup")
    return ["now", "queue", "dead", "recent", "waiting", "preview", "outages", "totals", "tools"];
  const told = queue(data);
  return list(jobs).length || told.ready + told.inProgress ? ["setup", "now", "queue"] : ["setup"];
}

// Requests to Stash: operations, tasks, the job queue, settings. Nothing here draws; every failure is one sentence.
import { W } from "./words.js";

export const ID = "PlexSync";
export const TASKS = [
  "Check setup", "Preview", "Sync all", "Sync recent", "Show status",
  "Process queue", "Process DLQ", "Clear DLQ", "Clear queue",
];
const RUNNING = "Running plugin task: ";
// A hung process ends when its request does: Stash kills it then.
const LONGEST = 60000;

const fill = (text, detail) => text.replace(/\{\w+\}/, () => detail);
const problem = (text, code) => Object.assign(new Error(text), { code });

function own(message) {
  const text = String(message || "");
  if (/plugin \S+ is disabled/i.test(text)) return problem(W.api.disabled, "disabled");
  if (/invalid memory address|plugin .*not found/i.test(text)) return problem(W.api.absent, "absent");
  if (/^exit status|^signal:|^fork\/exec|executable file/i.test(text)) return problem(fill(W.api.crashed, text), "crashed");
  return problem(text || W.api.odd, "said");
}

/** Send one GraphQL document to Stash; resolve to its data. */
export async function query(document_, variables, longest = LONGEST) {
  const control = typeof AbortController === "function" ? new AbortController() : null;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(problem(fill(W.api.slow, Math.round(longest / 1000)), "slow"));
      if (control) control.abort();
    }, longest);
  });
  try {
    return await Promise.race([send(document_, variables, control && control.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function send(document_, variables, signal) {
  let reply;
  try {
    reply = await fetch(new URL("graphql", document.baseURI), {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query: document_, variables: variables || {} }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    throw problem(W.api.offline, "offline");
  }
  if (reply.status === 401 || reply.redirected) throw problem(W.api.login, "login");
  let answer = null;
  try {
    answer = await reply.json();
  } catch (error) {
    throw reply.ok ? problem(W.api.odd, "odd") : problem(fill(W.api.http, reply.status), "http");
  }
  const errors = answer && answer.errors;
  if (errors && errors.length) throw own(errors[0] && errors[0].message);
  if (!answer || !answer.data) throw problem(reply.ok ? W.api.odd : fill(W.api.http, reply.status), "http");
  return answer.data;
}

/** Call an operation of the plugin; resolve to its output. */
export const operation = (mode, args, longest) =>
  query(
    "mutation($id:ID!,$args:Map){runPluginOperation(plugin_id:$id,args:$args)}",
    { id: ID, args: { ...args, mode } },
    longest,
  ).then((data) => data.runPluginOperation);

/** Start a task of the plugin; resolve to the id of its job. */
export const task = (name, args) =>
  query("mutation($id:ID!,$name:String!,$args:Map){runPluginTask(plugin_id:$id,task_name:$name,args_map:$args)}", {
    id: ID,
    name,
    args: args || {},
  }).then((data) => data.runPluginTask);

/** The plugin's jobs in Stash's queue: [{id, status, description, progress, name}]. */
export const jobs = () =>
  query("{jobQueue{id status description progress}}").then((data) =>
    (data.jobQueue || [])
      .map((job) => ({ ...job, name: String(job.description || "").replace(RUNNING, "") }))
      .filter((job) => String(job.description).startsWith(RUNNING) && TASKS.includes(job.name)),
  );

/** Stop a job: Stash kills its process, and the worker drops what that task marked. */
export const stopJob = (id) => query("mutation($id:ID!){stopJob(job_id:$id)}", { id });

/** The plugin's saved settings, a map that lacks what is unset. */
export const settings = () =>
  query("query($ids:[ID!]){configuration{plugins(include:$ids)}}", { ids: [ID] }).then((data) => {
    const all = data.configuration && data.configuration.plugins;
    if (!all || typeof all !== "object") throw problem(W.api.settings, "settings");
    return { ...all[ID] };
  });

/** Change some settings (null: forget it) and keep the others; the worker looks at them at once. */
export async function saveSettings(changes) {
  const input = { ...(await settings()), ...changes };
  for (const key of Object.keys(input)) if (input[key] === null || input[key] === undefined) delete input[key];
  await query("mutation($id:ID!,$input:Map!){configurePlugin(plugin_id:$id,input:$input)}", { id: ID, input });
  await operation("wake").catch(() => {});
  return input;
}

/** The address of a scene's cover, right under a path prefix too. */
export const sceneCover = (id) => new URL(`scene/${encodeURIComponent(id)}/screenshot`, document.baseURI).href;

/** The address of a file of ours that is no module. */
export const asset = (name) =>
  new URL(`plugin/${ID}/assets/${name}?v=${(window.plexSync || {}).version || ""}`, document.baseURI).href;

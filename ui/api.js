// Requests to Stash: operations, tasks, the job queue, settings. Nothing here draws; each failure is one sentence.
import { fill } from "./view.js";
import { W } from "./words.js";

const ID = "PlexSync";
const TASKS =
  "Check setup,Preview,Sync all,Sync recent,Show status,Process queue,Process DLQ,Clear DLQ,Clear queue".split(",");
const RUNNING = "Running plugin task: ";

const problem = (code, detail) => Object.assign(new Error(fill(W.api[code], { detail })), { code });

function said(message) {
  const text = String(message || "");
  if (/plugin \S+ is disabled/i.test(text)) return problem("disabled");
  if (/invalid memory address|plugin .*not found/i.test(text)) return problem("absent");
  if (/^(exit status|signal:|fork\/exec|exec:)/i.test(text)) return problem("crashed", text);
  return Object.assign(problem("odd"), text && { code: "said", message: text });
}

async function send(body, signal) {
  let reply;
  try {
    const headers = { "Content-Type": "application/json" };
    const options = { method: "POST", credentials: "same-origin", headers, body: JSON.stringify(body) };
    reply = await fetch(new URL("graphql", document.baseURI), signal ? { ...options, signal } : options);
  } catch (error) {
    throw problem("offline");
  }
  if (reply.status === 401 || reply.redirected) throw problem("login");
  const answer = await reply.json().catch(() => null);
  const errors = answer && answer.errors;
  if (errors && errors.length) throw said(errors[0] && errors[0].message);
  if (!answer || !answer.data) throw reply.ok ? problem("odd") : problem("http", reply.status);
  return answer.data;
}

/** Send a GraphQL document; resolve to its data. A request is given up after `longest` ms: Stash then ends the process. */
export function query(text, variables, longest = 60000) {
  const control = typeof AbortController === "function" ? new AbortController() : null;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(problem("slow", Math.round(longest / 1000)));
      if (control) control.abort();
    }, longest);
  });
  const done = () => clearTimeout(timer);
  const asked = send({ query: text, variables: variables || {} }, control && control.signal);
  asked.then(done, done);
  return Promise.race([asked, late]);
}

export const operation = (mode, args, longest) =>
  query(
    "mutation($id:ID!,$args:Map){runPluginOperation(plugin_id:$id,args:$args)}",
    { id: ID, args: { ...args, mode } },
    longest,
  ).then((data) => data.runPluginOperation);

/** Start a task of the plugin; resolve to its job's id. */
export const task = (name, args) =>
  query("mutation($id:ID!,$name:String!,$args:Map){runPluginTask(plugin_id:$id,task_name:$name,args_map:$args)}", {
    id: ID,
    name,
    args: args || {},
  }).then((data) => data.runPluginTask);

/** The plugin's jobs in Stash's queue: [{id, name, status, description, progress}]. */
export const jobs = () =>
  query("{jobQueue{id status description progress}}").then((data) =>
    (data.jobQueue || [])
      .map((job) => ({ ...job, name: String(job.description).replace(RUNNING, "") }))
      .filter((job) => job.name !== job.description && TASKS.includes(job.name)),
  );

/** Stop a job: the worker drops what that task marked. */
export const stopJob = (id) => query("mutation($id:ID!){stopJob(job_id:$id)}", { id });

/** The plugin's saved settings; what is unset is not in it. */
export const settings = () =>
  query("query($ids:[ID!]){configuration{plugins(include:$ids)}}", { ids: [ID] }).then((data) => {
    const all = data.configuration && data.configuration.plugins;
    if (!all || typeof all !== "object") throw problem("settings");
    return { ...all[ID] };
  });

/** Let Stash's own pages read the settings again: they would write their old copy over what was saved here. */
export function settingsChanged() {
  try {
    const client = window.PluginApi.utils.StashService.getClient();
    Promise.resolve(client.refetchQueries({ include: ["Configuration"] })).catch(() => {});
  } catch (error) {
    // Stash reads them at the next page load.
  }
}

/** Change some settings (null: unset) and keep the others; the worker looks at them at once. */
export async function saveSettings(changes) {
  const input = { ...(await settings()), ...changes };
  for (const key of Object.keys(input)) if (input[key] === null || input[key] === undefined) delete input[key];
  await query("mutation($id:ID!,$input:Map!){configurePlugin(plugin_id:$id,input:$input)}", { id: ID, input });
  settingsChanged();
  await operation("wake").catch(() => {});
  return input;
}

/** A scene's cover, under a path prefix too. */
export const sceneCover = (id) => new URL(`scene/${encodeURIComponent(id)}/screenshot`, document.baseURI).href;

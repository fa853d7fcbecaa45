import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { baseURI: "http://stash.test/prefix/" };
globalThis.window = globalThis;
const api = await import("../../ui/api.js");
const { W } = await import("../../ui/words.js");

/** Let Stash answer each request by `reply`: {status, body}, a function of the request, or an error. Returns the requests. */
function stash(reply) {
  const asked = [];
  globalThis.fetch = async (url, options) => {
    const request = { url: String(url), options, ...JSON.parse(options.body) };
    asked.push(request);
    const said = typeof reply === "function" ? reply(request) : reply;
    if (said instanceof Error) throw said;
    const { status = 200, body = said, redirected = false } = said.body === undefined ? {} : said;
    return {
      status, redirected, ok: status < 400,
      json: async () => {
        if (typeof body === "string") throw new SyntaxError(body);
        return body;
      },
    };
  };
  return asked;
}

const failed = (message) => ({ body: { errors: [{ message }], data: null } });

test("An operation is one request to Stash, under its prefix, with the session's cookie.", async () => {
  const asked = stash({ body: { data: { runPluginOperation: { state: "ok" } } } });
  assert.deepEqual(await api.operation("scene", { scene_id: "5" }), { state: "ok" });
  assert.equal(asked.length, 1);
  assert.equal(asked[0].url, "http://stash.test/prefix/graphql");
  assert.deepEqual(asked[0].variables, { id: "PlexSync", args: { scene_id: "5", mode: "scene" } });
  assert.deepEqual([asked[0].options.method, asked[0].options.credentials], ["POST", "same-origin"]);
});

const FAILURES = [
  ["the plugin's own sentence", failed("Item 5 is held by scene 7."), "Item 5 is held by scene 7.", "said"],
  ["a disabled plugin", failed("plugin PlexSync is disabled"), W.api.disabled, "disabled"],
  ["a plugin that is not there", failed("Internal system error. Error <runtime error: invalid memory address or nil pointer dereference>"), W.api.absent, "absent"],
  ["a crash", failed("exit status 3"), W.api.crashed.replace("{detail}", "exit status 3"), "crashed"],
  ["an error without a message", { body: { errors: [{}] } }, W.api.odd, "odd"],
  ["an ended session", { status: 401, body: "" }, W.api.login, "login"],
  ["a login page", { redirected: true, body: "<html>" }, W.api.login, "login"],
  ["a server error", { status: 502, body: "<html>" }, W.api.http.replace("{detail}", "502"), "http"],
  ["what is no JSON", { body: "<html>" }, W.api.odd, "odd"],
  ["an empty answer", { body: null }, W.api.odd, "odd"],
  ["no Stash", new TypeError("Failed to fetch"), W.api.offline, "offline"],
];
for (const [name, reply, message, code] of FAILURES)
  test(`A failure is one sentence: ${name}.`, async () => {
    stash(reply);
    await assert.rejects(api.operation("overview"), { message, code });
  });

test("A request that hangs is given up and ended, in a browser that cannot end it too.", async () => {
  const Own = globalThis.AbortController;
  let signal;
  globalThis.fetch = (url, options) => ((signal = options.signal), new Promise(() => {}));
  await assert.rejects(api.operation("overview", {}, 1), { code: "slow" });
  assert.equal(signal.aborted, true);
  globalThis.AbortController = undefined;
  try {
    await assert.rejects(api.operation("overview", {}, 1), { code: "slow" });
    assert.equal(signal, undefined);
  } finally {
    globalThis.AbortController = Own;
  }
});

test("Of Stash's queue only the plugin's own jobs are shown.", async () => {
  const job = (id, description) => ({ id, description, status: "RUNNING", progress: 0.5 });
  stash({ body: { data: { jobQueue: [job("1", "Scanning..."), job("2", "Running plugin task: Sync all"), job("3", "Running plugin task: Other"), job("4", "Sync all"), job("5", null)] } } });
  assert.deepEqual((await api.jobs()).map(({ id, name, progress }) => [id, name, progress]), [["2", "Sync all", 0.5]]);
  stash({ body: { data: { jobQueue: null } } });
  assert.deepEqual(await api.jobs(), []);
});

test("A task answers with its job, and a job is stopped by its id.", async () => {
  const asked = stash((request) => ({ body: { data: { runPluginTask: "8", stopJob: true, sent: request.query } } }));
  assert.equal(await api.task("Sync recent", { hours: "2" }), "8");
  await api.stopJob("8");
  assert.deepEqual(asked.map((request) => request.variables), [{ id: "PlexSync", name: "Sync recent", args: { hours: "2" } }, { id: "8" }]);
});

function saving(saved) {
  return stash(({ query }) => {
    if (query.includes("configuration{")) return { body: { data: { configuration: { plugins: saved } } } };
    return { body: { data: { configurePlugin: {}, runPluginOperation: {} } } };
  });
}

test("Saving reads first, keeps what it does not change, unsets what is null, and wakes the worker.", async () => {
  const asked = saving({ PlexSync: { plexUrl: "http://old", maxTags: 7, plexHost: "old" } });
  await api.saveSettings({ plexUrl: "http://new", plexHost: null });
  assert.deepEqual(asked[1].variables, { id: "PlexSync", input: { plexUrl: "http://new", maxTags: 7 } });
  assert.equal(asked[2].variables.args.mode, "wake");
});

test("Settings that cannot be read are never written.", async () => {
  const asked = saving(null);
  await assert.rejects(api.saveSettings({ plexUrl: "x" }), { message: W.api.settings });
  assert.equal(asked.length, 1);
});

test("After saving, Stash's own pages read the settings again; where they cannot, nothing fails.", async () => {
  saving({});
  let included;
  globalThis.PluginApi = { utils: { StashService: { getClient: () => ({ refetchQueries: (asked) => ((included = asked.include), Promise.reject(new Error())) }) } } };
  await api.saveSettings({ plexUrl: "x" });
  assert.deepEqual(included, ["Configuration"]);
  delete globalThis.PluginApi;
  await api.saveSettings({ plexUrl: "x" });
});

test("A cover is addressed under the prefix.", () => {
  assert.equal(api.sceneCover(5), "http://stash.test/prefix/scene/5/screenshot");
  assert.equal(api.sceneCover("../a"), "http://stash.test/prefix/scene/..%2Fa/screenshot");
});

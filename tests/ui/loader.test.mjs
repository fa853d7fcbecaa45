import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../../ui/plexsync.js", import.meta.url), "utf8");
const hostile = new Proxy(function () {}, {
  get() {
    throw new Error("hostile");
  },
  apply() {
    throw new Error("hostile");
  },
});

/** A Stash as far as the loader sees it; `changes` replace parts of its window. Returns what was registered. */
function stash(changes = {}) {
  const seen = { asked: [], patches: {}, routes: {}, events: {}, scripts: [] };
  const React = {
    Component: class {},
    Fragment: "fragment",
    createElement: (type, props, ...children) => ({ type, props: props || {}, children }),
    useEffect() {},
    useRef: (current) => ({ current }),
    useState: (value) => [value, () => {}],
  };
  const window = {
    URL,
    document: {
      baseURI: "http://stash.test/prefix/",
      createElement: () => ({ noModule: false }),
      head: { appendChild: (tag) => seen.scripts.push(tag) },
    },
    fetch: async (url, options) => (seen.asked.push([String(url), JSON.parse(options.body)]), { json: async () => ({}) }),
    addEventListener: (name, call) => (seen.events[name] = call),
    PluginApi: {
      React,
      libraries: { Bootstrap: { Nav: { Item: "item", Link: "link" }, Tab: { Pane: "pane" } } },
      patch: { before: (name, call) => (seen.patches[name] = call) },
      register: { route: (path, page) => (seen.routes[path] = page) },
    },
    ...changes,
  };
  window.window = window;
  vm.runInNewContext(SCRIPT, window);
  return { ...seen, window, again: () => vm.runInNewContext(SCRIPT, window) };
}

/** A value of the loader's own realm, as one of this one. */
const plain = (value) => JSON.parse(JSON.stringify(value));

test("The loader wakes the worker once, under Stash's prefix, and registers its places; a second run does nothing.", () => {
  const { asked, patches, routes, again } = stash();
  assert.deepEqual(asked, [["http://stash.test/prefix/graphql", { query: 'mutation{runPluginOperation(plugin_id:"PlexSync",args:{mode:"wake"})}' }]]);
  assert.deepEqual(Object.keys(routes), ["/plugins/plexsync"]);
  assert.deepEqual(Object.keys(patches).sort(), ["MainNavBar.UtilityItems", "PluginSettings", "ScenePage.TabContent", "ScenePage.Tabs"]);
  again();
  assert.equal(asked.length, 1);
});

const MISSING = {
  PluginApi: [undefined, null, {}, hostile, { React: {} }],
  fetch: [undefined, hostile, () => Promise.reject(new Error()), async () => ({ json: async () => null }), async () => ({ json: async () => "text" })],
  document: [undefined, {}, hostile],
  URL: [undefined, hostile],
};
for (const [name, values] of Object.entries(MISSING))
  test(`Nothing reaches Stash when ${name} is missing or broken.`, async () => {
    for (const value of values) stash({ [name]: value });
    await new Promise(setImmediate); // A rejection that nobody handles would fail the test here.
  });

test("What is added comes after Stash's own, and the other arguments stay.", () => {
  const { patches } = stash();
  for (const name of ["MainNavBar.UtilityItems", "ScenePage.Tabs", "ScenePage.TabContent"]) {
    const [props, ...rest] = patches[name]({ children: "own", scene: { id: "5" }, other: 1 }, "context", "more");
    assert.deepEqual([props.other, plain(rest), props.children.children[0]], [1, ["context", "more"], "own"]);
    assert.equal(props.children.children.length, 2);
    assert.equal(patches[name]({ children: "own" }).length, 1);
  }
});

test("On any doubt Stash's own arguments are handed on as they are.", () => {
  const { patches } = stash();
  for (const [name, patch] of Object.entries(patches))
    for (const odd of [undefined, null, hostile]) {
      const answer = patch(odd, "context");
      assert.equal(answer.length, 2, name);
      assert.equal(answer[0], odd);
    }
});

test("The settings of every plugin pass unchanged while ours are not loaded.", () => {
  const { patches } = stash();
  for (const pluginID of ["PlexSync", "Other"]) {
    const props = { pluginID, settings: [1] };
    assert.equal(patches.PluginSettings(props)[0], props);
  }
});

test("News of any shape is taken or left.", () => {
  const { events, window } = stash();
  for (const detail of [undefined, null, "x", {}, { health: null }, { health: { state: "ok" } }, { health: { state: "attention" }, dead: 4 }]) events.plexsync({ detail });
  assert.deepEqual(plain(window.plexSync), { version: window.plexSync.version, health: { state: "attention" }, dead: 4 });
});

test("A boundary of ours shows what it is told instead of a failure.", () => {
  const { patches } = stash();
  const [props] = patches["MainNavBar.UtilityItems"]({ children: null });
  const Guard = props.children.children[1].type;
  const guard = new Guard();
  guard.props = { sorry: "sorry", children: "child" };
  assert.equal(guard.render(), "child");
  guard.state = Guard.getDerivedStateFromError(new Error());
  assert.equal(guard.render(), "sorry");
  guard.props = { children: "child" };
  assert.equal(guard.render(), null);
});

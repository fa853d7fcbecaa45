import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import arrange, { OLD, ordered, REQUIRED } from "../../ui/settings.js";

const manifest = readFileSync(new URL("../../PlexSync.yml", import.meta.url), "utf8");
const KEYS = [...manifest.slice(manifest.indexOf("\nsettings:")).matchAll(/^ {2}(\w+):$/gm)].map((found) => found[1]);
const SETTINGS = [...KEYS].sort().map((name) => ({ name, display_name: name, description: "Default off.", type: "BOOLEAN" }));
const names = (settings) => settings.map((one) => one.name);

test("The two required settings stand first.", () => {
  assert.ok(KEYS.length > 30);
  assert.deepEqual(names(ordered(SETTINGS, {})).slice(0, 2), REQUIRED);
});

test("Every setting of the manifest stays and has a place of its own, but 0.1's that are not set.", () => {
  const shown = names(ordered(SETTINGS, {}));
  assert.deepEqual([...shown].sort(), names(SETTINGS).filter((name) => !OLD.includes(name)));
  const unknown = ordered([{ name: "aNewOne" }, ...SETTINGS], {});
  assert.equal(unknown[unknown.length - 1].name, "aNewOne");
});

test("0.1's keys are shown where they are set, and where it is unknown what is set.", () => {
  assert.ok(names(ordered(SETTINGS, { plexHost: "nas" })).includes("plexHost"));
  assert.ok(!names(ordered(SETTINGS, { plexHost: "nas", plexPort: "" })).includes("plexPort"));
  assert.equal(ordered(SETTINGS, null).length, SETTINGS.length);
});

test("What Stash gave is not changed: the panel gets a copy with a link and the other properties.", () => {
  const frozen = Object.freeze({ pluginID: "PlexSync", extra: 1, settings: Object.freeze(SETTINGS.map(Object.freeze)) });
  global.window = { PluginApi: { hooks: {}, libraries: { ReactRouterDOM: { Link: "Link" } } } };
  const React = { Fragment: "fragment", createElement: (type, props, ...children) => ({ type, props, children }) };
  const props = arrange(frozen, React);
  assert.equal(props.extra, 1);
  assert.equal(props.settings.length, SETTINGS.length);
  assert.match(JSON.stringify(props.settings[0].description), /plugins\/plexsync/);
  delete global.window;
});

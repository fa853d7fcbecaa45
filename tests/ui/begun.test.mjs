import assert from "node:assert/strict";
import { test } from "node:test";
import { begun, remember } from "../../ui/begun.js";

test("Without a store nothing is remembered, and nothing fails.", () => {
  remember({ since: "" });
  assert.equal(begun(), null);
});

test("A checklist is remembered until it has ended, and what is damaged counts as none.", () => {
  const kept = new Map();
  globalThis.localStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, text) => void kept.set(key, text),
    removeItem: (key) => void kept.delete(key),
  };
  remember({ since: "2026" });
  assert.deepEqual(begun(), { since: "2026" });
  remember(null);
  assert.equal(begun(), null);
  kept.set("plexsync-setup", "{");
  assert.equal(begun(), null);
  delete globalThis.localStorage;
});

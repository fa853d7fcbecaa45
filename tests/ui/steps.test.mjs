import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, asked, changes, done, newest, news, open, setting, shown, STEPS, ticked, typed } from "../../ui/steps.js";

const LIBRARIES = [
  { title: "Movies", type: "movie", items: 3, usable: true },
  { title: "Clips, old", type: "movie", items: 0, usable: true },
  { title: "Music", type: "artist", items: 9, usable: false },
];
const REACHED = { ok: false, version: "1.41.0", sentence: "Plex refuses the token." };
const OK = { ok: true, version: "1.41.0" };

test("The address shown is the saved one, else 0.1's host by https, else the usual one.", () => {
  assert.equal(addressOf({ plexUrl: "http://plex:32400", plexHost: "other" }), "http://plex:32400");
  assert.equal(addressOf({ plexHost: "nas" }), "https://nas:32400");
  assert.equal(addressOf({ plexHost: "nas", plexPort: "443" }), "https://nas:443");
  assert.equal(addressOf({}), "http://localhost:32400");
});

test("An empty setting ticks every usable library, and all ticks make an empty setting.", () => {
  const all = ticked(LIBRARIES, "");
  assert.deepEqual(all, ["Movies", "Clips, old"]);
  assert.equal(setting(LIBRARIES, all), "");
});

test("A library that PlexSync cannot use is never ticked, even if it is named.", () => {
  assert.deepEqual(ticked(LIBRARIES, "Music, Movies"), ["Movies"]);
});

test("A title with a comma is found in the setting, in any case and within quotes, and comes back as it is.", () => {
  assert.deepEqual(ticked(LIBRARIES, 'clips, OLD'), ["Clips, old"]);
  assert.deepEqual(ticked(LIBRARIES, '"Clips, old"'), ["Clips, old"]);
  assert.equal(setting(LIBRARIES, ["Clips, old"]), "Clips, old");
});

test("Only what differs is saved: nothing for an unchanged form.", () => {
  assert.deepEqual(changes({}, { url: "http://localhost:32400", token: "", libraries: "" }), {});
  assert.deepEqual(changes({ plexHost: "nas" }, { url: "https://nas:32400", token: "", libraries: "" }), {});
  assert.deepEqual(changes({ plexLibraries: "Movies" }, { url: "", token: "", libraries: "Movies" }), {});
});

test("A typed address, token and choice of libraries are saved without blanks around them.", () => {
  const form = typed({ url: " http://plex:1 ", token: " t ", libraries: "" });
  assert.deepEqual(changes({ plexLibraries: "Movies" }, form), {
    plexUrl: "http://plex:1",
    plexToken: "t",
    plexLibraries: "",
  });
});

test("Nothing is done before Plex answers, and an answer without a right token ends the first step only.", () => {
  assert.deepEqual(Object.values(done({ tried: null })), Array(STEPS.length).fill(false));
  const state = done({ tried: REACHED, stored: true, paths: true, preview: true, synced: true });
  assert.deepEqual(STEPS.filter((step) => state[step]), ["address"]);
});

test("Without a Plex that says its version the first step stays open, whatever is said.", () => {
  for (const sentence of ["No Plex token is set.", 'The server at "Plex address" does not identify itself as Plex.', "The plugin is disabled."])
    for (const rest of [{ version: "" }, {}, { ok: true }]) assert.ok(!done({ tried: { ok: false, sentence, ...rest } }).address, sentence);
  assert.ok(done({ tried: REACHED }).address);
});

test("A Plex without a usable library ends the step of the token, not that of the libraries.", () => {
  const state = done({ tried: { ok: false, version: "1.41.0", libraries: [LIBRARIES[2]] }, stored: true });
  assert.equal(open(state), "libraries");
});

test("The folders of a path map end in one slash.", () => {
  assert.deepEqual(shown({ stash: "/data", plex: "/media/", files: 3 }), { stash: "/data/", plex: "/media/", files: 3 });
  assert.equal(shown({ stash: "/", plex: "/media", files: 3 }).stash, "/");
});

test("What is typed and not saved keeps the libraries and all that follows open.", () => {
  assert.equal(open(done({ tried: OK, stored: false, paths: true })), "libraries");
  assert.equal(open(done({ tried: OK, stored: true })), "paths");
});

test("The first step that is not done is open, the last one when all are.", () => {
  assert.equal(open(done({ tried: OK, stored: true, paths: true })), "preview");
  assert.equal(open(done({ tried: OK, stored: true, paths: true, preview: true })), "sync");
  assert.equal(open(done({ tried: OK, stored: true, paths: true, preview: true, synced: true })), "sync");
});

test("A step that was done can be opened again, one that cannot be reached yet cannot.", () => {
  assert.equal(open(done({ tried: OK, stored: true, paths: true }), "address"), "address");
  assert.equal(open(done({ tried: REACHED }), "sync"), "token");
});

test("A server of the sign-in is tried by its machine, with no token of the page, and not saved with the libraries.", () => {
  const form = { url: "http://plex:1", token: "", machine: "m" };
  assert.deepEqual(asked({ plexUrl: "http://plex:1" }, form), { url: "http://plex:1", machine: "m" });
  assert.deepEqual(changes({}, { ...form, libraries: "Movies" }), { plexLibraries: "Movies" });
});

test("What is typed is tried; the saved address is left out.", () => {
  assert.deepEqual(asked({ plexUrl: "http://plex:1" }, { url: "http://plex:1", token: "" }), {});
  assert.deepEqual(asked({}, typed({ url: " http://plex:1 ", token: " t " })), { url: "http://plex:1", token: "t" });
});

test("The saved token is offered to another address only if the person presses Try.", () => {
  const form = { url: "http://other:1", token: "" };
  assert.deepEqual(asked({ plexUrl: "http://plex:1" }, form), { url: "http://other:1" });
  assert.deepEqual(asked({ plexUrl: "http://plex:1" }, form, true), { url: "http://other:1", saved_token: true });
  assert.deepEqual(asked({ plexUrl: "http://plex:1" }, { ...form, token: "t" }, true), { url: "http://other:1", token: "t" });
});

test("Of a pasted address of Plex's only the token is tried and saved as token, and nothing with a token as address.", () => {
  const pasted = "https://192-168-1-2.abc.plex.direct:32400/library/metadata/7?checkFiles=1&X-Plex-Token=S3cr-et_9&X-Plex-Language=en";
  for (const text of [pasted, "X-Plex-Token: S3cr-et_9", ' <Preferences PlexOnlineToken="S3cr-et_9" />', "x-plex-token%3DS3cr-et_9", " S3cr-et_9\n"])
    assert.deepEqual(changes({}, { ...typed({ url: "", token: text }) }), { plexToken: "S3cr-et_9" }, text);
  assert.equal(typed({ token: "http://plex:1/x" }).token, "http://plex:1/x", "PlexSync says that there is none in it");
  assert.deepEqual(typed({ url: pasted }), { url: "https://192-168-1-2.abc.plex.direct:32400/library/metadata/7" });
  assert.deepEqual(typed({ url: "http://plex:1/web/index.html#!/x" }), { url: "http://plex:1/web/index.html" });
  assert.deepEqual(typed({ token: "", machine: "m" }), { token: "", machine: "m" });
  assert.equal(addressOf({ plexUrl: pasted }), typed({ url: pasted }).url);
});

test("What was there before the checklist, and what Undo put back, is no news.", () => {
  const row = (scene_id, at, kind = "sync") => ({ scene_id, at: `2026-01-31T12:00:${at}Z`, kind });
  const before = [row(2, "02"), row(1, "01")];
  assert.equal(newest(before), before[0].at);
  assert.equal(newest(undefined), "");
  assert.deepEqual(news([row(3, "09", "undo"), ...before], newest(before)), []);
  assert.deepEqual(news([row(5, "08"), row(4, "07"), ...before], newest(before)).map((one) => one.scene_id), [4, 5]);
  assert.deepEqual(news(before, undefined), []);
});

test("An edit that arrives does not end the step of Sync all.", () => {
  assert.equal(done({ tried: OK, stored: true, paths: true, arrived: {} }).sync, false);
});

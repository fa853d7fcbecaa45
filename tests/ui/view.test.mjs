import assert from "node:assert/strict";
import { test } from "node:test";
import * as view from "../../ui/view.js";
import { W } from "../../ui/words.js";

const NOW = Date.parse("2026-11-28T12:00:00Z");
const before = (seconds) => new Date(NOW - seconds * 1000).toISOString();

function table(name, call, rows) {
  test(name, () => {
    for (const [wanted, ...given] of rows) assert.deepEqual(call(...given), wanted, JSON.stringify(given));
  });
}

/** What an older, a newer or a broken plugin might answer. */
const ODD = [
  undefined, null, 0, "", "text", [], {}, true,
  { health: null, status: null, recent: null, dead: null, waiting: null, outages: null, web: null, more: null },
  { health: "ok", status: "fine", recent: "none", dead: {}, waiting: 3, outages: true, web: {}, more: [] },
  { health: { state: "novel" }, status: { queue: { dead: "many", pending: -1, oldest_seconds: NaN } }, recent: [null, 1, []] },
  { recent: [{}], dead: [{}], waiting: [{}], outages: [{}], status: { queue: {}, totals: {}, requests: {}, worker: {} } },
  { recent: [{ changes: [null, {}, { field: 3, old: {}, new: [null, {}] }], images: {} }], dead: [{ candidates: [null, {}, 1] }] },
];

table("A span is told in its largest unit, hours with their minutes.", view.duration, [
  ["0 s", 0], ["0 s", -5], ["0 s", NaN], ["0 s", undefined], ["59 s", 59], ["1 min", 60], ["59 min", 3599],
  ["1 h", 3600], ["2 h 5 min", 7500], ["23 h 59 min", 86399], ["1 day", 86400], ["1 day", 86400 * 1.9], ["14 days", 86400 * 14],
]);

table("A time is told by its distance, before and after.", (at) => view.ago(at, NOW), [
  ["just now", before(1)], ["now", before(-2)], ["30 s ago", before(30)], ["3 min ago", before(200)],
  ["in 2 h", before(-7200)], ["2 days ago", before(2 * 86400)], ["1 min ago", NOW / 1000 - 60],
  ["never", null], ["never", ""], ["never", "soon"], ["never", {}],
]);

table("How long something has been so, in words.", (at) => view.lasting(at, NOW), [["for 28 s", before(28)], ["for 0 s", before(-9)], ["", null]]);

test("A whole time is written as the user's language does.", () => {
  const at = "2026-11-28T12:00:00Z";
  assert.match(view.exact(at, "en-GB"), /^28 Nov 2026/);
  assert.match(view.exact(at, "de"), /^28\.11\.2026/);
  assert.equal(view.exact(at, "no such language"), new Date(at).toLocaleString());
  assert.match(view.outages({ outages: [{ from: at, to: null }] }, NOW, "de")[0].title, /28\.11\.2026/);
  assert.equal(view.exact("soon", "de"), "");
});

const DOUBT = `2 items in Plex could be scene 5. The most likely one: same name. Choose the right item on PlexSync's page, or set "Path map" to make the paths equal.`;
table("Beside its candidates a dead letter does not send the user to them.", view.message, [
  ["2 items in Plex could be scene 5. The most likely one: same name.", DOUBT, 2], [DOUBT, DOUBT, 0], ["Refused.", "Refused.", 2], ["", null, 2],
]);

table("A number has separators and its noun.", view.count, [
  ["0 scenes", 0, "scene"], ["1 scene", 1, "scene"], ["2 scenes", 2, "scene"], ["12,345,678 items", 12345678, "item"],
  ["0 scenes", null, "scene"], ["0 scenes", "many", "scene"], ["3 scenes", "3", "scene"], ["0 scenes", Infinity, "scene"],
]);

table("A file's size has a unit that fits.", view.size, [
  ["", 0], ["", null], ["", "x"], ["12 B", 12], ["1.0 KB", 1000], ["734 MB", 734003200], ["1.4 GB", 1430000000], ["1.0 MB", 999999], ["2.5 TB", 2.5e12],
]);

table("A film's length is that of a clock.", view.length, [["", 0], ["", null], ["", "x"], ["0:07", 7.2], ["30:20", 1820], ["1:02:03", 3723], ["10:00:00", 36000]]);

table("Text loses control and direction characters, and nothing else.", view.clean, [
  ["", null], ["", undefined], ["", {}], ["", []], ["0", 0], ["a b", "a\u0000\n\tb"], ["evil gpj.exe", "evil \u202egpj.exe"], ["日本 👩‍👧 é", "日本 👩‍👧 é"],
  ["<b>&amp;</b>", "<b>&amp;</b>"],
]);

table("A sentence keeps what it is not told.", view.fill, [["a 3", "a {n}", { n: 3 }], ["a {n}", "a {n}", {}], ["a {n}", "a {n}", undefined], ["$& 0", "{a} {b}", { a: "$&", b: 0 }]]);

const pair = (old, next) => ({ old, next });
const x = (number) => "x".repeat(number);

table("Two values are shown whole while they are short, else around what differs.", view.diff, [
  [pair("a", "b"), "a", "b"], [pair("", "b"), null, "b"], [pair("a", ""), "a", undefined],
  [pair(`…${x(20)}A${x(69)}…`, `…${x(20)}B${x(69)}…`), `${x(300)}A${x(300)}`, `${x(300)}B${x(300)}`],
  [pair(`A${x(89)}…`, `B${x(89)}…`), `A${x(300)}`, `B${x(300)}`],
  [pair(`…${x(89)}A`, `…${x(89)}B`), `${x(300)}A`, `${x(300)}B`],
  [pair("a␣", "a"), "a ", "a"], [pair("a␣b", "a␣␣b"), "a b", "a  b"], [pair("é", "e\\u301"), "é", "e\u0301"], [pair("ab", "a\\u200bb"), "ab", "a\u200bb"],
  [pair("a\\u202eb", "ab"), "a\u202eb", "ab"],
]);

table("Of lists that are long, what both have is only counted.", view.diff, [
  [pair("a", "a, b"), ["a"], ["a", "b"]], [pair("", "b"), null, ["b"]], [pair("", ""), [], []], [pair("a", "b"), "a", ["b"]],
  [pair("y, 8 more", "z, 8 more"), [..."12345678"].map((n) => n + x(10)).concat("y"), ["z", ...[..."12345678"].map((n) => n + x(10))]],
  [pair("8 more", "z, 8 more"), [..."12345678"].map((n) => n + x(10)), ["z", ...[..."12345678"].map((n) => n + x(10))]],
  [pair("a", "a"), ["a", null, {}], ["a", ""]],
]);

test("A cut never splits a character, and a value of a million characters is soon cut.", () => {
  const face = "😀";
  const { old, next } = view.diff(face.repeat(500_000), face.repeat(499_999) + "😁");
  for (const text of [old, next]) assert.doesNotMatch(text, /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/);
  assert.ok(old.length < 200 && next.endsWith("😁"));
});

test("Whatever differs is shown different.", () => {
  const values = ["", "a", "a ", " a", "A", "é", "e\u0301", "a\u00a0b", "a b", "a\tb", "a\u200bb", x(500), x(501), `${x(250)}y${x(250)}`, ["a", "b"], ["b", "a"], [x(60), "a", "b"], [x(60), "b", "a"], [x(200), x(201)], [x(201), x(200)]];
  for (const old of values)
    for (const next of values)
      if (JSON.stringify(old) !== JSON.stringify(next) && !(old === "" && !next.length)) {
        const shown = view.diff(old, next);
        assert.notEqual(shown.old, shown.next, JSON.stringify([old, next]));
      }
});

const LINK = "http://127.0.0.1:32400/web/index.html#!/server/abc/details?key=%2Flibrary%2Fmetadata%2F{key}";
const at = (host) => `${host}/web/index.html#!/server/abc/details?key=%2Flibrary%2Fmetadata%2F7`;

table("A Plex beside Stash is linked where the browser finds Stash.", view.webLink, [
  [at("http://nas:32400"), LINK, 7, "nas"], [at("http://127.0.0.1:32400"), LINK, "7", ""], [at("http://127.0.0.1:32400"), LINK, "7", undefined],
  [at("https://nas"), LINK.replace("http://127.0.0.1:32400", "https://localhost"), 7, "nas"],
  [at("http://nas:32400"), LINK.replace("127.0.0.1", "[::1]"), 7, "nas"],
  [at("http://plex:32400"), LINK.replace("127.0.0.1", "plex"), 7, "nas"],
  [at("http://localhost.evil:32400"), LINK.replace("127.0.0.1", "localhost.evil"), 7, "nas"],
  ["", "", 7, "nas"], ["", null, 7, "nas"], ["", "javascript:alert({key})", 7, "nas"], ["", LINK, null, "nas"], ["", LINK, "", "nas"],
  ["http://plex/a%2Fb%3Fc", "http://plex/{key}", "a/b?c", "nas"],
]);

table("A scene is called by its title, else its file, else its number.", view.title, [
  ["Film", { title: "Film", path: "/a/b.mp4", scene_id: 1 }], ["b.mp4", { title: " ", path: "/a/b.mp4", scene_id: 1 }], ["b.mp4", { path: "C:\\a\\b.mp4" }],
  ["Scene 12", { scene_id: 12 }], ["tag:5", { key: "tag:5", scene_id: null }], ["Not a scene", {}],
]);

test("Every state of health has a sign, and an unknown one counts as a problem.", () => {
  for (const state of ["setup", "problem", "away", "attention", "busy", "waiting", "ok"]) {
    const said = view.health({ health: { state, sentence: "S.", what_to_do: "Do." } });
    assert.deepEqual([said.state, said.sentence, said.todo], [state, "S.", "Do."]);
    assert.match(said.icon, /^fa[A-Z]/);
    assert.match(said.tone, /^text-/);
  }
  assert.equal(view.health({ health: { state: "novel", sentence: "S." } }).state, "problem");
  assert.equal(view.health({ status: { problem: "Paused." } }).sentence, "Paused.");
  assert.equal(view.health({}).sentence, W.health.old);
});

const QUEUE = { pending: 3, waiting: 2, in_progress: 1, dead: 4, oldest_seconds: 95 };

test("The queue is told in numbers.", () => {
  assert.deepEqual(view.queue({ status: { queue: QUEUE } }), { ready: 3, waiting: 2, inProgress: 1, dead: 4 });
  assert.deepEqual(view.queue(null), { ready: 0, waiting: 0, inProgress: 0, dead: 0 });
});

test("What runs: tasks with their progress, the worker, or nothing.", () => {
  const job = { id: 7, name: "Sync all", status: "RUNNING", progress: 0.426 };
  assert.deepEqual(view.now({}, []), { tasks: [], sentence: W.now.idle });
  assert.equal(view.now({ status: { queue: QUEUE } }, []).sentence, "The background worker is syncing 1 job.");
  const [task] = view.now({}, [job]).tasks;
  assert.deepEqual(task, { id: "7", name: "Sync all", progress: 0.426, percent: 43, note: "", stoppable: true });
  assert.equal(view.now({}, [job]).sentence, "");
  const shown = (changes) => view.now({}, [{ ...job, ...changes }]).tasks[0];
  assert.deepEqual([shown({ status: "READY" }).progress, shown({ status: "READY" }).note], [null, W.now.queued]);
  assert.deepEqual([shown({ status: "STOPPING" }).stoppable, shown({ status: "STOPPING" }).note], [false, W.now.stopping]);
  assert.deepEqual([shown({ progress: null }).percent, shown({ progress: 7 }).percent, shown({ progress: -1 }).percent], [0, 100, 0]);
});

test("A page looks often while a task runs, jobs are in progress or PlexSync is busy.", () => {
  assert.equal(view.moving(null, []), false);
  assert.equal(view.moving({ health: { state: "ok" } }, []), false);
  assert.equal(view.moving({ health: { state: "away" }, status: { queue: { pending: 9 } } }, []), false);
  assert.equal(view.moving({ health: { state: "busy" } }, []), true);
  assert.equal(view.moving({ status: { queue: QUEUE } }, []), true);
  assert.equal(view.moving({}, [{ id: 1 }]), true);
});

test("A synced scene has its links, its changes by their names, and its pictures.", () => {
  const row = { scene_id: 5, title: "Film", rating_key: 7, at: before(60), kind: "sync", images: ["poster", "art"], changes: [{ field: "originallyAvailableAt", old: "", new: "2020" }, { field: "title", old: "a", new: "b" }] };
  const [shown, undone] = view.recent({ web: LINK, recent: [row, { ...row, kind: "undo", images: 1 }] }, "nas");
  assert.deepEqual(
    [shown.link, shown.web, shown.undo, shown.images, shown.changes],
    ["/scenes/5", at("http://nas:32400"), false, "poster, background", [{ field: "date", old: "", next: "2020" }, { field: "title", old: "a", next: "b" }]],
  );
  assert.deepEqual([undone.undo, undone.images], [true, "1 picture"]);
  assert.deepEqual(view.recent({ recent: [row, { ...row, chosen: true }, { ...row, chosen: "no" }] }, "").map((one) => one.chosen), [false, true, false]);
});

test("A dead letter says why in words, and what is cut off is counted.", () => {
  const row = { id: 3, scene_id: 5, title: "Film", path: "/a.mp4", reason: "low_confidence", message: "Two items.", attempts: 1, first_seen: before(60), candidates: [{ rating_key: 7 }] };
  const { rows, total, left } = view.dead({ dead: [row, { ...row, id: 4, scene_id: null, key: "tag:9", title: "", path: "", reason: "novel_reason", attempts: 8 }], status: { queue: { dead: 450 } }, more: { dead: 448 } });
  assert.deepEqual([total, left], [450, 448]);
  assert.deepEqual([rows[0].reason, rows[0].attempts, rows[0].link], ["Not certain which item", "1 attempt", "/scenes/5"]);
  assert.deepEqual([rows[1].reason, rows[1].attempts, rows[1].link, rows[1].title], ["novel reason", "8 attempts", "", "tag:9"]);
});

test("Every reason and every evidence of PlexSync has words.", () => {
  for (const name of ["low_confidence", "not_in_plex", "rejected", "retries_exhausted", "invalid"]) assert.equal(view.reason(name), W.reasons[name]);
  for (const name of ["equal_path", "learned_path", "remembered", "name_size", "name_folders", "size_duration", "name_only", "chosen"]) assert.equal(view.evidence(name), W.evidence[name]);
  assert.equal(view.evidence(null), W.unknown);
});

test("A candidate is shown with what tells it from others.", () => {
  const row = { rating_key: 7, title: "", path: "/data/Film.mp4", size: 1430000000, duration: 1820, evidence: "name_size", why: "Why." };
  assert.deepEqual(view.candidate(row, LINK, "nas"), {
    key: "7", title: "Film.mp4", path: "/data/Film.mp4", facts: ["1.4 GB", "30:20"], evidence: "Same name and size", why: "Why.", web: at("http://nas:32400"),
  });
  assert.deepEqual(view.candidate({ rating_key: 7 }, "", "").title, "Item 7");
});

test("A waiting scene says since when and when it is looked for next.", () => {
  const told = (since, next) => view.waiting({ waiting: [{ scene_id: 1, since, next }] }, NOW).rows[0];
  assert.deepEqual([told(before(7200), before(-120)).since, told(before(7200), before(-120)).next], ["waiting 2 h", "next look in 2 min"]);
  assert.deepEqual([told(null, before(5)).since, told(null, before(5)).next], ["", "next look now"]);
});

test("An outage says how long and what it held back, one that lasts says so.", () => {
  const [open, closed] = view.outages({ outages: [{ from: before(120), to: null, cause: "Refused.", held: 1 }, { from: before(7200), to: before(3600), cause: "", held: 0 }] }, NOW);
  assert.match(open.title, /^Since .*, still away$/);
  assert.deepEqual([open.cause, open.held], ["Refused.", "1 job held back, none lost"]);
  assert.match(closed.title, /, for 1 h$/);
  assert.equal(closed.held, "");
});

test("Totals show what is known, in a fixed order.", () => {
  const status = { totals: { synced: 1200, novel: 3 }, requests: { stash: 5 }, worker: { running: true }, last_catchup: before(60), version: "1.1.0" };
  assert.deepEqual(view.totals({ status }, NOW), [["Synced", "1,200"], ["Questions to Stash", "5"], ["Background worker", "running"], ["Compared with Stash", "1 min ago"], ["Version", "1.1.0"]]);
});

test("What needs the user and what waits stand before what is done.", () => {
  const shown = view.sections({ data: { health: { state: "ok" } } }, "");
  assert.deepEqual(shown, ["now", "dead", "waiting", "recent", "preview", "outages", "totals", "tools"]);
});

test("A checklist stands alone until PlexSync is set up, with what runs beside it.", () => {
  const state = (health) => ({ data: { health: { state: health } } });
  assert.deepEqual(view.sections({ data: null, jobs: [] }, ""), []);
  assert.deepEqual(view.sections({ data: null, jobs: [] }, "setup"), ["setup"]);
  assert.deepEqual(view.sections(state("setup"), ""), ["setup", "now"]);
  assert.deepEqual(view.sections(state("ok"), "setup"), ["setup", "now"]);
  assert.ok(view.sections(state("setup"), "preview").includes("preview"));
  for (const health of ["ok", "problem", "away", "attention", "busy", "waiting"]) {
    const shown = view.sections(state(health), "");
    for (const name of ["now", "dead", "recent", "waiting", "preview", "outages"]) assert.ok(shown.includes(name));
    assert.ok(!shown.includes("setup"));
  }
});

test("No answer, however odd, makes the page fail.", () => {
  for (const data of ODD) {
    for (const jobs of [undefined, null, [null, {}, { progress: "x" }]]) {
      view.now(data, jobs);
      view.moving(data, jobs);
      view.sections({ data, jobs }, "");
    }
    view.health(data);
    view.queue(data);
    view.recent(data, "nas");
    view.outages(data, NOW);
    view.totals(data, NOW);
    view.waiting(data, NOW);
    for (const row of view.dead(data).rows) for (const one of row.candidates) view.candidate(one, data.web, "nas");
    for (const row of view.recent(data, "nas")) for (const change of row.changes) view.diff(change.old, change.next);
  }
});

test("Two hundred rows with titles of odd characters are told at once.", () => {
  const rows = Array.from({ length: 200 }, (_, id) => ({ id, scene_id: id, title: "\u202e\u0000" + "𝕏".repeat(id), path: "/" + "é/".repeat(100), reason: "rejected", candidates: [] }));
  const shown = view.dead({ dead: rows, status: { queue: { dead: 200 } } });
  assert.equal(shown.rows.length, 200);
  assert.ok(shown.rows.every((row) => !/[\u0000\u202e]/.test(row.title)));
});

// The scene's tab "Plex": asked only while it is shown, once per scene and after each action; again only while it is pending.
import { operation } from "./api.js";
import { Action, Ago, h, Icon, Link, React, useEffect, useRef, useState, Value } from "./parts.js";
import { useAlive, usePoll } from "./run.js";
import { candidate, clean, count, evidence, field, list, reason } from "./view.js";
import { W } from "./words.js";

const w = W.scene;
const { dead, recent } = W;
const TONES = {
  pending: ["faArrowsRotate", "text-info"],
  waiting: ["faClock", "text-info"],
  needs_you: ["faTriangleExclamation", "text-warning"],
  in_plex: ["faCircleCheck", "text-success"],
};
const web = (address) => (/^https?:/i.test(address || "") ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, W.openPlex) : null);
const Part = ({ title, children }) => h("section", { className: "mt-3" }, h("h3", { className: "h6" }, title), children);

const Candidates = ({ rows, chosen, onChoose }) =>
  h(
    "ul",
    { className: "plexsync-candidates list-unstyled" },
    rows.map((row) =>
      h(
        "li",
        { key: row.key, className: "card card-body p-3", "data-rating-key": row.key },
        h("strong", null, row.title),
        h("div", { className: "plexsync-path small text-muted" }, row.path),
        h("div", { className: "small" }, [...row.facts, row.evidence].filter(Boolean).join(" · ")),
        row.why ? h("div", { className: "small text-muted mb-2" }, row.why) : null,
        h(
          "div",
          { className: "plexsync-actions mt-auto" },
          row.key === chosen
            ? h("span", { className: "text-success" }, dead.chosen)
            : h(Action, { action: "choose", variant: "primary", "data-rating-key": row.key, "aria-label": `${dead.choose}: ${row.title}`, onClick: () => onChoose(+row.key), done: dead.chooseDone }, dead.choose),
          web(row.web),
        ),
      ),
    ),
  );

// The pane is mounted before its tab is clicked, so its class tells; without a pane it is shown.
function useShown(ref, told) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const pane = ref.current && ref.current.closest(".tab-pane");
    const look = () => setShown(!pane || pane.classList.contains("active"));
    look();
    if (!pane || !window.MutationObserver) return undefined;
    const watch = new MutationObserver(look);
    watch.observe(pane, { attributes: true, attributeFilter: ["class"] });
    return () => watch.disconnect();
  }, []);
  return told === undefined ? shown : told;
}

export default function SceneTab({ scene, shown }) {
  const id = scene && scene.id;
  const ref = useRef(null);
  const turn = useRef(0);
  const alive = useAlive();
  const [got, setGot] = useState({});
  const on = useShown(ref, shown);
  const now = got.id === id ? got : {};
  const load = async () => {
    const mine = ++turn.current;
    const answer = await operation("scene", { scene_id: +id }).catch((error) => ({ wrong: error.message }));
    if (mine === turn.current && alive.current) setGot({ ...answer, id });
  };
  useEffect(() => {
    if (on && got.id !== id) load();
  }, [on, id]);
  // The first look was just now.
  const wait = useRef(true);
  usePoll(() => (wait.current ? (wait.current = false) : load()), 4, Boolean(on && now.state === "pending"));
  const act = (mode, args) => async () => {
    await operation(mode, args);
    wait.current = true;
    await load();
  };
  const letter = now.dead_letter;
  const items = list(now.items);
  const offered = list(now.candidates || (letter && letter.candidates)).map((row) => ({ ...candidate(row), web: row.web }));
  const [icon, tone] = TONES[now.state] || ["faInfoCircle", "text-muted"];
  const chosen = now.chosen ? String(now.chosen) : "";
  return h(
    "div",
    { ref, "data-plexsync": "scene", "data-state": now.state || "", "data-scene-id": id, className: "plexsync plexsync-scene" },
    now.wrong ? h("p", { className: "text-danger", role: "alert" }, now.wrong, " ", h(Action, { action: "again", onClick: load }, W.page.again)) : null,
    !now.state && !now.wrong ? h("p", { className: "text-muted" }, W.loading) : null,
    now.state
      ? h(
          React.Fragment,
          null,
          h("p", { className: "lead-ish mb-2", role: "status" }, h(Icon, { name: icon, className: `mr-2 ${tone}` }), clean(now.sentence)),
          now.last_sync ? h("p", { className: "text-muted mb-2" }, w.last, " ", h(Ago, { at: now.last_sync })) : null,
          h(
            "div",
            { className: "plexsync-actions" },
            h(Action, { action: "sync-now", variant: "primary", icon: "faArrowsRotate", onClick: act("sync", { ids: [+id] }), done: w.queued }, w.sync),
            chosen ? h(Action, { action: "unchoose", onClick: act("unchoose", { scene_id: +id }), done: dead.unchooseDone }, dead.unchoose) : null,
            now.undoable
              ? h(Action, { action: "undo", icon: "faRotateLeft", onClick: act("undo", { ids: [+id] }), ask: { title: recent.undoTitle, text: recent.undoText, confirm: recent.undo }, done: recent.undoDone }, recent.undo)
              : null,
          ),
          letter
            ? h(
                Part,
                { title: dead.title },
                h("p", { className: "mb-2" }, h("strong", null, reason(letter.reason)), " ", clean(letter.message)),
                h("p", { className: "text-muted small mb-2" }, `${count(letter.attempts, "attempt")}, ${w.since} `, h(Ago, { at: letter.first_seen })),
                h(
                  "div",
                  { className: "plexsync-actions" },
                  h(Action, { action: "retry", onClick: act("retry", { ids: [letter.id] }), done: dead.retryDone }, dead.retry),
                  h(Action, { action: "discard", onClick: act("discard", { ids: [letter.id] }), ask: { title: dead.discardTitle, text: dead.discardText, confirm: dead.discard, variant: "danger" }, done: dead.discardDone }, dead.discard),
                ),
              )
            : null,
          offered.length ? h(Part, { title: dead.candidates }, h(Candidates, { rows: offered, chosen, onChoose: (key) => act("choose", { scene_id: +id, rating_key: key })() })) : null,
          items.length
            ? h(
                Part,
                { title: w.items },
                h(
                  "ul",
                  { className: "list-unstyled mb-0" },
                  items.map((item) =>
                    h(
                      "li",
                      { key: item.rating_key, className: "mb-2", "data-rating-key": item.rating_key },
                      h("strong", null, clean(item.title) || item.rating_key),
                      " ",
                      h("span", { className: "text-muted" }, item.chosen ? W.evidence.chosen : [evidence(item.evidence), item.confidence === "low" ? W.preview.low : ""].filter(Boolean).join(", ")),
                      " ",
                      web(item.web),
                    ),
                  ),
                ),
              )
            : null,
          list(now.changes).length
            ? h(
                Part,
                { title: w.changes },
                h("dl", { className: "plexsync-changes mb-0" }, list(now.changes).map((change, at) => h(React.Fragment, { key: at }, h("dt", null, field(change.field)), h("dd", null, h(Value, { old: change.old, next: change.new }))))),
              )
            : null,
          h("p", { className: "mt-3" }, h(Link, { to: "/plugins/plexsync" }, w.page)),
        )
      : null,
  );
}

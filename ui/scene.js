// The scene's tab "Plex": asked only while it is shown: once per scene, then while it is pending and for a while after an action.
import { operation } from "./api.js";
import { Action, Ago, el, Facts, h, Icon, Link, PlexLink, React, useEffect, useRef, useState, Value } from "./parts.js";
import { useAlive, usePoll } from "./run.js";
import { Candidates, Unchoose } from "./sections/candidates.js";
import { clean, count, evidence, field, list, message, reason, webLink } from "./view.js";
import { W } from "./words.js";

const w = W.scene;
const { dead, recent } = W;
const TONES = {
  pending: ["faArrowsRotate", "text-info"],
  waiting: ["faClock", "text-info"],
  needs_you: ["faTriangleExclamation", "text-warning"],
  in_plex: ["faCircleCheck", "text-success"],
};
// After an action things move a moment later: look often for so long.
const AFTER = 12000;
const Part = ({ title, children }) => el("section.mt-3", el("h3.text-muted.mb-1", title), children);

export default function SceneTab({ scene, shown }) {
  const { id } = scene;
  const key = `${id} ${scene.updated_at}`;
  const turn = useRef(0);
  const alive = useAlive();
  const [got, setGot] = useState({});
  const now = got.id === id ? got : {};
  const load = async () => {
    const mine = ++turn.current;
    const answer = await operation("scene", { scene_id: +id }).catch((error) => ({ wrong: error.message }));
    if (mine === turn.current && alive.current) setGot({ ...answer, id, key });
  };
  useEffect(() => {
    if (shown && got.key !== key) load();
  }, [shown, key]);
  // The first look was just now.
  const wait = useRef(true);
  const [acted, setActed] = useState(0);
  useEffect(() => {
    const timer = acted && setTimeout(() => setActed(0), AFTER);
    return () => clearTimeout(timer);
  }, [acted]);
  usePoll(() => (wait.current ? (wait.current = false) : load()), acted ? 1.5 : 4, Boolean(shown && (acted || now.state === "pending")));
  const again = () => {
    wait.current = true;
    setActed(Date.now());
    return load();
  };
  const act = (mode, args) => () => operation(mode, args).then(again);
  const letter = now.dead_letter;
  const items = list(now.items);
  const offered = list(now.candidates || (letter && letter.candidates));
  const line = (name, value) => h(React.Fragment, { key: name }, el("dt.text-muted", field(name)), h("dd", null, value));
  const changed = [
    ...list(now.changes).map((one) => line(one.field, h(Value, { old: one.old, next: one.new }))),
    ...(Array.isArray(now.images) ? now.images : []).map((name) => line(name, W.preview.picture)),
  ];
  const [icon, tone] = TONES[now.state] || ["faInfoCircle", "text-muted"];
  return h(
    "div",
    { "data-plexsync": "scene", "data-state": now.state || "", "data-scene-id": id, className: "plexsync plexsync-scene" },
    now.wrong ? h("p", { role: "alert" }, now.wrong, " ", h(Action, { action: "again", onClick: load }, W.again)) : null,
    !now.state && !now.wrong ? el("p.text-muted", W.loading) : null,
    now.state
      ? h(
          React.Fragment,
          null,
          el("p.plexsync-lead.mb-2", { role: "status" }, h(Icon, { name: icon, className: `mr-2 ${tone}` }), message(now.sentence, offered.length)),
          now.last_sync ? el("p.text-muted.mb-2", w.last, " ", h(Ago, { at: now.last_sync })) : null,
          el(
            ".plexsync-actions",
            h(Action, { action: "sync-now", variant: "primary", icon: "faArrowsRotate", say: w.sync, onClick: act("sync", { ids: [+id] }) }),
            now.chosen ? h(Unchoose, { sceneId: +id, onDone: again }) : null,
            now.undoable
              ? h(Action, { action: "undo", icon: "faRotateLeft", say: recent.undo, onClick: act("undo", { ids: [+id] }) })
              : null,
          ),
          letter
            ? h(
                Part,
                { title: dead.title },
                el("p.mb-2", h("strong", null, reason(letter.reason)), letter.message && letter.message !== now.sentence && `. ${message(letter.message, offered.length)}`),
                h(Facts, null, letter.first_seen ? h(Ago, { at: letter.first_seen, lasting: true }) : null, letter.attempts ? count(letter.attempts, "attempt") : null),
                el(
                  ".plexsync-actions",
                  h(Action, { action: "retry", icon: "faRotate", say: dead.retry, onClick: act("retry", { ids: [letter.id] }) }),
                  h(Action, { action: "discard", icon: "faTrash", say: dead.discard, onClick: act("discard", { ids: [letter.id] }) }),
                ),
              )
            : null,
          h(Candidates, { sceneId: +id, candidates: offered, chosen: now.chosen, onChosen: again }),
          items.length
            ? h(
                Part,
                { title: w.items },
                el(
                  "ul.list-unstyled.mb-0",
                  items.map((item) =>
                    h(
                      "li",
                      { key: item.rating_key, className: "mb-2", "data-rating-key": item.rating_key },
                      h("strong", null, clean(item.title) || item.rating_key),
                      h(Facts, null, item.chosen ? W.evidence.chosen : item.evidence === "chosen" ? w.before : evidence(item.evidence), item.confidence === "low" ? W.preview.low : null, h(PlexLink, { web: webLink(item.web, item.rating_key, location.hostname) })),
                    ),
                  ),
                ),
              )
            : null,
          changed.length
            ? h(
                Part,
                { title: w.changes },
                el("dl.plexsync-changes.mb-0", changed),
              )
            : null,
          el("p.mt-3", h(Link, { to: "/plugins/plexsync" }, w.page)),
        )
      : null,
  );
}

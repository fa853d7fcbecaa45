import { operation } from "../api.js";
import { Action, Facts, h, PlexLink } from "../parts.js";
import { candidate, fill } from "../view.js";
import { W } from "../words.js";

/** The items of Plex that may be a scene's, side by side. `onChosen()` after a choice that PlexSync took. */
export function Candidates({ sceneId, candidates, chosen, web, onChosen }) {
  if (!candidates.length || !sceneId) return null;
  return h(
    "div",
    { className: "plexsync-candidates" },
    h("h4", { className: "h6" }, W.dead.candidates),
    h(
      "ul",
      { className: "list-unstyled mb-0" },
      candidates.map((row, at) => {
        const item = candidate(row, web, location.hostname);
        return h(
          "li",
          { key: item.key || at, "data-rating-key": item.key },
          h("strong", null, item.title),
          item.path ? h("div", { className: "small text-muted" }, item.path) : null,
          h(Facts, null, item.facts, h(PlexLink, { web: item.web })),
          h("div", null, item.evidence, item.why && item.why !== item.evidence ? h("div", { className: "small text-muted" }, item.why) : null),
          String(chosen || "") === item.key && item.key
            ? h("div", { className: "text-success" }, W.dead.chosen)
            : h(
                Action,
                {
                  action: "choose",
                  "data-rating-key": item.key,
                  "aria-label": fill(W.dead.chooseLabel, { title: item.title }),
                  icon: "faCircleCheck",
                  variant: "primary",
                  done: W.dead.chooseDone,
                  onClick: () => operation("choose", { scene_id: sceneId, rating_key: item.key }).then(() => onChosen && onChosen(item.key)),
                },
                W.dead.choose,
              ),
        );
      }),
    ),
  );
}

/** Take a choice back. */
export const Unchoose = ({ sceneId, onDone }) =>
  h(
    Action,
    { action: "unchoose", icon: "faRotateLeft", done: W.dead.unchooseDone, onClick: () => operation("unchoose", { scene_id: sceneId }).then(() => onDone && onDone()) },
    W.dead.unchoose,
  );

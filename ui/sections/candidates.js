import { operation } from "../api.js";
import { Action, el, Facts, h, Icon, PlexLink } from "../parts.js";
import { candidate, clean, fill } from "../view.js";
import { W } from "../words.js";

const words = W.dead;
const told = (answer) => clean(answer && answer.sentence) || words.chooseDone;
const after = (call) => (answer) => {
  if (call) call();
  return answer;
};

/** The items of Plex that may be a scene's, side by side. `onChosen()` after a choice that PlexSync took. */
export function Candidates({ sceneId, candidates, chosen, web, onChosen }) {
  if (!candidates.length || !sceneId) return null;
  const items = candidates.map((row) => candidate(row, web, location.hostname));
  const choose = (item) =>
    h(Action, {
      action: "choose",
      "data-rating-key": item.key,
      "aria-label": fill(words.chooseLabel, { title: item.title, where: item.path }),
      icon: "faCircleCheck",
      variant: "primary",
      say: words.choose,
      done: told,
      onClick: () => operation("choose", { scene_id: sceneId, rating_key: item.key }).then(after(onChosen)),
    });
  return el(
    ".plexsync-candidates",
    el("h4.h6", words.candidates),
    el(
      "ul.list-unstyled.mb-0",
      items.map((item, at) =>
        h(
          "li",
          { key: item.key || at },
          h("strong", null, item.title),
          el(".small.text-muted", item.path),
          h(Facts, null, item.facts, item.web ? h(PlexLink, { web: item.web }) : null),
          h("div", null, item.evidence),
          item.why ? el(".small.text-muted", item.why) : null,
          item.key && String(chosen) === item.key ? el("strong.mt-auto", h(Icon, { name: "faCircleCheck", className: "text-success mr-1" }), words.chosen) : choose(item),
        ),
      ),
    ),
  );
}

/** Take a choice back. */
export const Unchoose = ({ sceneId, onDone }) =>
  h(Action, {
    action: "unchoose",
    icon: "faRotateLeft",
    say: words.unchoose,
    done: told,
    onClick: () => operation("unchoose", { scene_id: sceneId }).then(after(onDone)),
  });

import { operation, task } from "../api.js";
import { Action, Ago, Facts, h, React, Row, Rows, Section, useOverview, useState } from "../parts.js";
import { count, dead, fill } from "../view.js";
import { W } from "../words.js";
import { Candidates, Unchoose } from "./candidates.js";

const words = W.dead;

/** What PlexSync leaves to the user. */
export default function Dead() {
  const { data } = useOverview();
  const [chosen, setChosen] = useState([]);
  const { rows, total, left } = dead(data);
  const scenes = count(total, "scene");
  const forget = (id) => setChosen((all) => all.filter((row) => row.sceneId !== id));
  const choose = (row) => setChosen((all) => [row, ...all.filter((other) => other.sceneId !== row.sceneId)]);
  return h(
    Section,
    {
      name: "dead",
      title: words.title,
      count: total,
      actions: total
        ? [
            h(
              Action,
              { key: 1, action: "retry-all", icon: "faRotate", onClick: () => task("Process DLQ"), done: words.retryDone, ask: { title: words.retryAllTitle, text: fill(words.retryAllText, { scenes }), confirm: words.retryAll } },
              words.retryAll,
            ),
            h(
              Action,
              { key: 2, action: "discard-all", icon: "faTrash", onClick: () => operation("clear_dlq"), done: words.discardDone, ask: { title: words.discardAllTitle, text: fill(words.discardAllText, { scenes }), confirm: words.discardAll, variant: "danger" } },
              words.discardAll,
            ),
          ]
        : null,
    },
    chosen.length
      ? h(
          "ul",
          { className: "list-unstyled mb-0" },
          chosen.map((row) =>
            h(Row, { key: row.sceneId, ...row, actions: h(Unchoose, { sceneId: row.sceneId, onDone: () => forget(row.sceneId) }) }, h(Facts, null, words.chooseDone)),
          ),
        )
      : null,
    h(Rows, { rows, step: 10, none: chosen.length ? null : words.none, left, row: (row) => h(Letter, { key: row.id, row, web: data.web, onChosen: () => choose({ sceneId: row.sceneId, title: row.title, link: row.link }) }) }),
  );
}

function Letter({ row, web, onChosen }) {
  return h(
    Row,
    {
      sceneId: row.sceneId,
      title: row.title,
      link: row.link,
      "data-reason": row.key,
      actions: h(
        React.Fragment,
        null,
        h(Action, { action: "retry", icon: "faRotate", done: words.retryDone, onClick: () => operation("retry", { ids: [row.id] }) }, words.retry),
        h(
          Action,
          { action: "discard", icon: "faTrash", done: words.discardDone, onClick: () => operation("discard", { ids: [row.id] }), ask: { title: words.discardTitle, text: words.discardText, confirm: words.discard, variant: "danger" } },
          words.discard,
        ),
      ),
      wide: h(Candidates, { sceneId: row.sceneId, candidates: row.candidates, web, onChosen }),
    },
    h("div", null, h("strong", null, row.reason), row.message ? `. ${row.message}` : null),
    row.path ? h("div", { className: "small text-muted" }, row.path) : null,
    h(Facts, null, row.since ? h("span", null, W.dead.sincePrefix, " ", h(Ago, { at: row.since })) : null, row.attempts || null),
  );
}

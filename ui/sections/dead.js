import { operation, task } from "../api.js";
import { Action, Ago, el, Facts, h, Row, Rows, Section, useOverview, useState } from "../parts.js";
import { count, dead } from "../view.js";
import { W } from "../words.js";
import { Candidates, Unchoose } from "./candidates.js";

const words = W.dead;

/** What PlexSync leaves to the user; a choice made here can be taken back here. */
export default function Dead() {
  const { data } = useOverview();
  const [chosen, setChosen] = useState([]);
  const { rows, total, left } = dead(data);
  const values = { scenes: count(total, "scene") };
  const others = (row) => chosen.filter((other) => other.sceneId !== row.sceneId);
  return h(
    Section,
    {
      name: "dead",
      title: words.title,
      count: total,
      actions: total
        ? [
            h(Action, { key: 1, action: "retry-all", icon: "faRotate", say: words.retryAll, values, onClick: () => task("Process DLQ") }),
            h(Action, { key: 2, action: "discard-all", say: words.discardAll, values, onClick: () => operation("clear_dlq"), icon: "faTrash" }),
          ]
        : null,
    },
    h(Rows, {
      rows: [...chosen, ...rows],
      step: 10,
      none: words.none,
      left,
      row: (row) =>
        row.taken
          ? h(Row, { key: row.sceneId, row, actions: h(Unchoose, { sceneId: row.sceneId, onDone: () => setChosen(others(row)) }) }, words.chosen)
          : h(Letter, { key: `letter ${row.id}`, row, web: data.web, onChosen: () => setChosen([{ ...row, taken: true }, ...others(row)]) }),
    }),
  );
}

const Letter = ({ row, web, onChosen }) =>
  h(
    Row,
    {
      row,
      actions: [
        h(Action, { key: 1, action: "retry", icon: "faRotate", say: words.retry, onClick: () => operation("retry", { ids: [row.id] }) }),
        h(Action, { key: 2, action: "discard", say: words.discard, onClick: () => operation("discard", { ids: [row.id] }), icon: "faTrash" }),
      ],
      wide: h(Candidates, { sceneId: row.sceneId, candidates: row.candidates, web, onChosen }),
    },
    h("div", null, h("strong", null, row.reason), row.message && `. ${row.message}`),
    el(".small.text-muted", row.path),
    h(Facts, null, row.since ? h(Ago, { at: row.since, lasting: true }) : null, row.attempts || null),
  );

import { operation } from "../api.js";
import { Action, Ago, B, el, Facts, h, PlexLink, React, Row, Rows, Section, useLocale, useOverview, useState, Value } from "../parts.js";
import { fill, number, outages, recent, totals, waiting } from "../view.js";
import { W } from "../words.js";
import { Unchoose } from "./candidates.js";

// So many changes of a row are shown at first.
const FEW = 4;

const Change = ({ name, children }) => h("div", { "data-field": name }, el("span.text-muted", `${name}: `), children);

function Changes({ row }) {
  const words = W.recent;
  const [all, setAll] = useState(false);
  const lines = row.changes.map((change, at) => h(Change, { key: at, name: change.field }, h(Value, change)));
  if (row.images) lines.push(h(Change, { key: "images", name: words.images }, row.images));
  const more = lines.length - FEW;
  const label = all ? words.fewer : more === 1 ? words.field : fill(words.fields, { count: number(more) });
  return h(
    React.Fragment,
    null,
    lines.length ? lines.slice(0, all ? lines.length : FEW) : el(".text-muted", words.same),
    more > 0 ? h(B.Button, { size: "sm", variant: "link", className: "p-0 text-reset plexsync-link", "data-action": "fields", "aria-expanded": all, onClick: () => setAll(!all) }, label) : null,
  );
}

export function Recent() {
  const words = W.recent;
  const undo = (row) => h(Action, { key: "undo", action: "undo", icon: "faRotateLeft", say: words.undo, onClick: () => operation("undo", { ids: [row.sceneId] }) });
  return h(
    Section,
    { name: "recent", title: words.title },
    h(Rows, {
      rows: recent(useOverview().data, location.hostname),
      step: 5,
      none: words.none,
      row: (row, at) =>
        h(
          Row,
          { key: `${row.sceneId} ${row.at} ${at}`, row, actions: row.sceneId ? [row.chosen ? h(Unchoose, { key: "unchoose", sceneId: row.sceneId }) : null, row.undo ? null : undo(row)] : null },
          h(Facts, null, row.undo ? words.undone : null, row.chosen ? W.evidence.chosen : null, h(Ago, { at: row.at }), row.web ? h(PlexLink, { web: row.web }) : null),
          h(Changes, { row }),
        ),
    }),
  );
}

export function Waiting() {
  const { rows, total, left } = waiting(useOverview().data, Date.now());
  return h(
    Section,
    { name: "waiting", title: W.waiting.title, count: total },
    h(Rows, {
      rows,
      step: 10,
      none: W.waiting.none,
      left,
      row: (row, at) =>
        h(Row, { key: row.sceneId || at, row }, el(".small.text-muted", row.path), h(Facts, null, row.since || null, row.next || null)),
    }),
  );
}

export function Outages() {
  return h(
    Section,
    { name: "outages", title: W.outages.title },
    h(Rows, {
      rows: outages(useOverview().data, Date.now(), useLocale()),
      step: 5,
      none: W.outages.none,
      row: (row, at) => h(Row, { key: at, row }, row.cause, row.held ? h(Facts, null, row.held) : null),
    }),
  );
}

export const Totals = () =>
  h(
    Section,
    { name: "totals", title: W.totals.title },
    el(
      "dl.plexsync-tiles.plexsync-small.content",
      totals(useOverview().data, Date.now()).map(([name, text]) => h("div", { key: name }, h("dt", null, name), h("dd", null, text))),
    ),
  );

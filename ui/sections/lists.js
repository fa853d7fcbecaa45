import { operation } from "../api.js";
import { Action, Ago, el, Facts, h, PlexLink, Row, Rows, Section, useOverview, Value } from "../parts.js";
import { outages, recent, totals, waiting } from "../view.js";
import { W } from "../words.js";

const Change = ({ name, children }) => h("div", { "data-field": name }, el("span.text-muted", `${name}: `), children);

export function Recent() {
  const words = W.recent;
  const undo = (row) => h(Action, { action: "undo", icon: "faRotateLeft", say: words.undo, onClick: () => operation("undo", { ids: [row.sceneId] }) });
  return h(
    Section,
    { name: "recent", title: words.title },
    h(Rows, {
      rows: recent(useOverview().data, location.hostname),
      step: 10,
      none: words.none,
      row: (row, at) =>
        h(
          Row,
          { key: `${row.sceneId} ${row.at} ${at}`, row, actions: row.undo || !row.sceneId ? null : undo(row) },
          h(Facts, null, row.undo ? words.undone : null, h(Ago, { at: row.at }), row.web ? h(PlexLink, { web: row.web }) : null),
          row.changes.map((change, number) => h(Change, { key: number, name: change.field }, h(Value, change))),
          row.images ? h(Change, { name: words.images }, row.images) : null,
          row.changes.length || row.images ? null : el(".text-muted", words.same),
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
      rows: outages(useOverview().data, Date.now()),
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

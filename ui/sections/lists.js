import { operation } from "../api.js";
import { Action, Ago, Facts, h, PlexLink, Row, Rows, Section, useOverview, Value } from "../parts.js";
import { outages, recent, totals, waiting } from "../view.js";
import { W } from "../words.js";

/** The last synced scenes, and what changed in Plex. */
export function Recent() {
  const { data } = useOverview();
  const words = W.recent;
  return h(
    Section,
    { name: "recent", title: words.title },
    h(Rows, {
      rows: recent(data, location.hostname),
      step: 10,
      none: words.none,
      row: (row, at) =>
        h(
          Row,
          {
            key: `${row.sceneId} ${row.at} ${at}`,
            sceneId: row.sceneId,
            title: row.title,
            link: row.link,
            actions: row.undo
              ? null
              : h(
                  Action,
                  { action: "undo", icon: "faRotateLeft", done: words.undoDone, onClick: () => operation("undo", { ids: [row.sceneId] }), ask: { title: words.undoTitle, text: words.undoText, confirm: words.undo } },
                  words.undo,
                ),
          },
          h(Facts, null, row.undo ? words.undone : null, h(Ago, { at: row.at }), row.web ? h(PlexLink, { web: row.web }) : null),
          row.changes.map((change, number) => h("div", { key: number, "data-field": change.field }, h("span", { className: "text-muted" }, `${change.field}: `), h(Value, change))),
          row.images ? h("div", null, h("span", { className: "text-muted" }, `${words.images}: `), row.images) : null,
          row.changes.length || row.images ? null : h("div", { className: "text-muted" }, words.same),
        ),
    }),
  );
}

/** Scenes whose file Plex does not have yet. */
export function Waiting() {
  const { data } = useOverview();
  const { rows, total, left } = waiting(data, Date.now());
  return h(
    Section,
    { name: "waiting", title: W.waiting.title, count: total },
    h(Rows, {
      rows,
      step: 10,
      none: W.waiting.none,
      left,
      row: (row, at) =>
        h(
          Row,
          { key: row.sceneId || at, sceneId: row.sceneId, title: row.title, link: row.link },
          row.path ? h("div", { className: "small text-muted" }, row.path) : null,
          h(Facts, null, row.since || null, row.next || null),
        ),
    }),
  );
}

/** When Plex was away. */
export function Outages() {
  const { data } = useOverview();
  return h(
    Section,
    { name: "outages", title: W.outages.title },
    h(Rows, {
      rows: outages(data, Date.now()),
      step: 5,
      none: W.outages.none,
      row: (row, at) =>
        h("li", { key: at, className: "setting plexsync-row" }, h("div", { className: "plexsync-text" }, h("h3", null, row.when), row.cause ? h("div", null, row.cause) : null, row.held ? h(Facts, null, row.held) : null)),
    }),
  );
}

/** Numbers since the beginning. */
export function Totals() {
  const rows = totals(useOverview().data, Date.now());
  if (!rows.length) return null;
  return h(
    Section,
    { name: "totals", title: W.totals.title },
    h("dl", { className: "plexsync-tiles plexsync-small content" }, rows.map(([name, text]) => h("div", { key: name }, h("dt", { className: "text-muted" }, name), h("dd", null, text)))),
  );
}

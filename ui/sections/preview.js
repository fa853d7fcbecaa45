// The last preview as a table: what Sync all would change, and the scenes without a match.
import { operation } from "../api.js";
import { Ago, B, el, h, Link, Nothing, Section, useEffect, useRef, useState, Value } from "../parts.js";
import { useAlive, useTask } from "../run.js";
import { clean, count, evidence, field, fill, number, reason, title } from "../view.js";
import { W } from "../words.js";
import { Run } from "./setup.js";

const w = W.preview;
const LIMIT = 25;

const scene = (row) => h(Link, { to: `/scenes/${encodeURIComponent(row.scene_id)}` }, title({ ...row, title: row.scene_title }));
const picture = (row) => row.field === "poster" || row.field === "background";
const KINDS = {
  changes: {
    mode: "preview_rows",
    name: field,
    none: w.noChanges,
    columns: [
      [w.scene, scene],
      [w.field, (row) => el("span.text-muted", field(row.field))],
      [w.change, (row) => (picture(row) ? w.picture : h(Value, { old: row.old, next: row.new }))],
      [w.evidence, (row) => el("span.text-muted", evidence(row.evidence), row.confidence === "low" ? ` (${w.low})` : "")],
    ],
  },
  unmatched: {
    mode: "unmatched_rows",
    name: reason,
    none: w.noUnmatched,
    columns: [
      [w.scene, scene],
      [w.reason, (row) => clean(row.reason)],
      [w.path, (row) => el("span.plexsync-path.text-muted", clean(row.path))],
    ],
  },
};

// The roles stay where a narrow page lays the cells out as cards.
const Rows = ({ columns, rows, label }) =>
  h(
    "table",
    { className: "table table-sm table-striped plexsync-table mb-0", role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map(([name]) => h("th", { key: name, scope: "col", role: "columnheader", "data-narrow": name === w.field ? "" : undefined }, name)))),
    h(
      "tbody",
      { role: "rowgroup" },
      rows.map((row, at) => h("tr", { key: at, role: "row", "data-scene-id": row.scene_id, "data-field": row.field }, columns.map(([name, cell]) => h("td", { key: name, role: "cell", "data-label": name }, cell(row))))),
    ),
  );

export default function Preview() {
  const alive = useAlive();
  const [kind, setKind] = useState("changes");
  const [asked, setAsked] = useState({ offset: 0, field: "", text: "" });
  const [text, setText] = useState("");
  const [got, setGot] = useState(null);
  const turn = useRef(0);
  const { mode, name, none, columns } = KINDS[kind];
  const load = async () => {
    const mine = ++turn.current;
    const answer = await operation(mode, { ...asked, limit: LIMIT }).catch((error) => ({ wrong: error.message }));
    if (mine === turn.current && alive.current) setGot({ kind, ...answer });
  };
  useEffect(() => void load(), [kind, asked]);
  useEffect(() => {
    if (text === asked.text) return undefined;
    const timer = setTimeout(() => setAsked((now) => ({ ...now, text, offset: 0 })), 300);
    return () => clearTimeout(timer);
  }, [text]);
  const task = useTask("Preview", () => setAsked({ ...asked, offset: 0 }));
  const show = (next) => {
    if (next === kind) return;
    setKind(next);
    setText("");
    setAsked({ offset: 0, field: "", text: "" });
  };
  const fits = got && got.kind === kind ? got : null;
  const { rows = [], counts = {}, total = 0, made_at: made, wrong } = fits || {};
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const { offset } = asked;
  const page = (to, off, words) => h(B.Button, { size: "sm", variant: "secondary", disabled: off, "data-action": words.toLowerCase(), onClick: () => setAsked({ ...asked, offset: to }) }, words);
  const choose = (id, label, control) => el(".mr-2.mb-2", h("label", { htmlFor: id, className: "sr-only" }, label), control);
  return h(
    Section,
    {
      name: "preview",
      title: w.title,
      "data-made-at": made || "",
      actions: task.job ? null : h(Run, { name: "Preview", action: "preview", icon: "faMagnifyingGlass", task }, w.make),
    },
    task.job ? el(".content", h(Run, { name: "Preview", task })) : null,
    h(
      B.Nav,
      { variant: "tabs", activeKey: kind, onSelect: show, className: "mb-0 mx-0 px-2 pt-2" },
      Object.keys(KINDS).map((one) => h(B.Nav.Item, { key: one }, h(B.Nav.Link, { eventKey: one, as: "button", type: "button", "data-tab": one, "aria-current": one === kind ? "page" : undefined }, w[one]))),
    ),
    el(
      ".content",
      made
        ? el(
            ".d-flex.flex-wrap.align-items-center",
            all > 0 && choose(
              "plexsync-field",
              kind === "changes" ? w.field : w.reason,
              h(
                B.Form.Control,
                { as: "select", size: "sm", id: "plexsync-field", className: "btn-secondary w-auto", value: asked.field, onChange: ({ target }) => setAsked({ ...asked, field: target.value, offset: 0 }) },
                h("option", { value: "" }, fill(w.any, { n: number(all) })),
                Object.keys(counts).map((one) => h("option", { key: one, value: one }, `${name(one)} (${number(counts[one])})`)),
              ),
            ),
            all > 0 && choose("plexsync-text", w.text, h(B.Form.Control, { size: "sm", type: "search", id: "plexsync-text", className: "text-input", placeholder: w.text, value: text, onChange: ({ target }) => setText(target.value) })),
            el("small.text-muted.mb-2", { role: "status" }, `${count(total, "row")}, ${w.made} `, h(Ago, { at: made })),
          )
        : null,
      wrong ? el("p.mb-0", { role: "alert" }, wrong) : !fits ? el("p.text-muted.mb-0", W.loading) : null,
      rows.length ? h(Rows, { columns, rows, label: w[kind] }) : null,
      total > LIMIT
        ? h(
            "nav",
            { className: "plexsync-pages", "aria-label": w.pages },
            page(Math.max(0, offset - LIMIT), !offset, w.previous),
            el("span.text-muted", fill(w.range, { from: number(offset + 1), to: number(Math.min(offset + LIMIT, total)), total: number(total) })),
            page(offset + LIMIT, offset + LIMIT >= total, w.next),
          )
        : null,
    ),
    fits && !wrong && !rows.length ? h(Nothing, null, made ? (all ? w.noRows : none) : w.none) : null,
  );
}

import { operation } from "../api.js";
import { Action, B, el, h, Icon, Link, Section, useOverview, useRef, useState, useToast } from "../parts.js";
import { clean, count, fill, numberIn } from "../view.js";
import { W } from "../words.js";

const words = W.tools;

const Tool = ({ title, text, children, below }) =>
  el(
    ".setting.plexsync-row",
    el(".plexsync-text", h("h3", null, title), el(".sub-heading.text-muted", text)),
    el(".plexsync-actions", children),
    below ? el(".plexsync-wide", below) : null,
  );

/** What one needs now and then. */
export default function Tools() {
  const { here } = useOverview();
  const [checked, setChecked] = useState(null);
  const [report, setReport] = useState("");
  const lines = checked ? [].concat(checked.lines || checked.sentence || []) : [];
  const link = { to: `${here}?tab=setup`, className: "btn btn-secondary btn-sm" };
  return h(
    Section,
    { name: "tools", title: words.title },
    h(
      Tool,
      {
        title: words.check.label,
        text: words.checkText,
        below: checked && h("div", { role: "status" }, lines.map((line, at) => h("div", { key: at }, clean(line)))),
      },
      h(Action, { action: "check-setup", icon: "faHeartPulse", say: words.check, onClick: () => operation("check_setup", {}, 180000).then(setChecked) }),
    ),
    h(Tool, { title: words.setup, text: words.setupText }, h(Link, link, h(Icon, { name: "faGear", className: "mr-1" }), words.open)),
    h(
      Tool,
      { title: words.report, text: words.reportText, below: report && h(Report, { text: report }) },
      h(Action, { action: "report", icon: "faInbox", say: words.make, onClick: () => operation("report").then((answer) => setReport(answer.text)) }),
    ),
    h(
      Tool,
      { title: words.undo.label, text: words.undoText },
      h(Action, {
        action: "undo-all",
        icon: "faRotateLeft",
        say: words.undo,
        done: (answer) => fill(words.undo.done, { items: count(numberIn(answer), "item") }),
        onClick: () => operation("undo", { all: true }),
      }),
    ),
  );
}

function Report({ text }) {
  const area = useRef(null);
  const [refused, setRefused] = useState(false);
  const toast = useToast();
  // Browsers lend the clipboard only to secure pages, which Stash in a home network is not.
  const copy = async () => {
    area.current.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(text);
      else if (!document.execCommand("copy")) throw new Error();
      setRefused(false);
      toast.success(words.copied);
    } catch (error) {
      setRefused(true);
    }
  };
  return el(
    "div",
    el("textarea.form-control.text-input", { ref: area, readOnly: true, rows: 12, value: text, "aria-label": words.report }),
    el(
      ".plexsync-actions.mt-2",
      h("span", { role: "status" }, refused ? words.noCopy : null),
      h(B.Button, { size: "sm", variant: "secondary", "data-action": "copy", onClick: copy }, words.copy),
    ),
  );
}

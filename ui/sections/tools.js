import { operation } from "../api.js";
import { Action, B, h, Icon, Link, numberIn, React, Section, useOverview, useRef, useState, useToast } from "../parts.js";
import { clean, count, fill } from "../view.js";
import { W } from "../words.js";

const words = W.tools;

const Tool = ({ title, text, children, below }) =>
  h(
    "div",
    { className: "setting plexsync-row" },
    h("div", { className: "plexsync-text" }, h("h3", null, title), h("div", { className: "sub-heading text-muted" }, text)),
    h("div", { className: "plexsync-actions" }, children),
    below ? h("div", { className: "plexsync-wide" }, below) : null,
  );

/** What one needs now and then. */
export default function Tools() {
  const { here } = useOverview();
  const [checked, setChecked] = useState(null);
  const [report, setReport] = useState("");
  const lines = checked && Array.isArray(checked.lines) ? checked.lines.map(clean) : [];
  return h(
    Section,
    { name: "tools", title: words.title },
    h(
      Tool,
      {
        title: words.check,
        text: words.checkText,
        below: checked ? h("ul", { className: "mb-0", role: "status", "data-state": checked.ok ? "ok" : "problem" }, lines.map((line, at) => h("li", { key: at }, line))) : null,
      },
      h(Action, { action: "check-setup", icon: "faHeartPulse", onClick: () => operation("check_setup", {}, 180000).then(setChecked) }, words.check),
    ),
    h(
      Tool,
      { title: words.setup, text: words.setupText },
      h(Link, { to: `${here}?tab=setup`, className: "btn btn-secondary btn-sm", "data-action": "open-setup" }, h(Icon, { name: "faGear", className: "mr-1" }), words.open),
    ),
    h(
      Tool,
      { title: words.report, text: words.reportText, below: report ? h(Report, { text: report }) : null },
      h(Action, { action: "report", icon: "faInbox", onClick: () => operation("report").then((answer) => setReport(String((answer && answer.text) || ""))) }, words.make),
    ),
    h(
      Tool,
      { title: words.undo, text: words.undoText },
      h(
        Action,
        {
          action: "undo-all",
          icon: "faRotateLeft",
          variant: "danger",
          onClick: () => operation("undo", { all: true }),
          done: (answer) => fill(words.undoDone, { items: count(numberIn(answer), "item") }),
          ask: { title: words.undoTitle, text: words.undoQuestion, confirm: words.undoConfirm, variant: "danger" },
        },
        words.undo,
      ),
    ),
  );
}

function Report({ text }) {
  const area = useRef(null);
  const [said, setSaid] = useState("");
  const toast = useToast();
  const copy = async () => {
    try {
      if (navigator.clipboard && navigator.clipboard.writeText) await navigator.clipboard.writeText(text);
      else {
        area.current.select();
        if (!document.execCommand("copy")) throw new Error();
      }
      setSaid("");
      toast.success(words.copied);
    } catch (error) {
      area.current.select();
      setSaid(words.noCopy);
    }
  };
  return h(
    React.Fragment,
    null,
    h("textarea", { ref: area, readOnly: true, rows: 12, value: text, className: "form-control text-input", "aria-label": words.report }),
    h("div", { className: "plexsync-actions mt-2" }, h("span", { role: "status" }, said), h(B.Button, { size: "sm", variant: "secondary", "data-action": "copy", onClick: copy }, words.copy)),
  );
}

// The icon in Stash's bar, with a badge only when something needs the user. Two copies exist: the bar's and the menu's.
import { operation } from "./api.js";
import { B, h, Icon, Link } from "./parts.js";
import { usePoll } from "./run.js";
import { clean, number } from "./view.js";
import { W } from "./words.js";

const NEEDS = ["setup", "problem", "attention"];
const MINUTE = 60000;
// The loader asked just now; both copies share what is asked later.
let asked = Date.now();

async function look() {
  if (Date.now() - asked < MINUTE) return;
  asked = Date.now();
  const detail = await operation("wake");
  window.dispatchEvent(new CustomEvent("plexsync", { detail }));
}

export default function Nav({ health, dead }) {
  usePoll(look, 61, true);
  const { state, sentence } = health || {};
  const words = clean(sentence) || W.title;
  // A link of the bar's own kind, so that the menu closes; the button within is but a look.
  return h(
    B.Nav.Link,
    { as: Link, to: "/plugins/plexsync", eventKey: "plexsync", className: "nav-utility", "data-plexsync": "nav", "data-state": state || "", title: words, "aria-label": `${W.title}: ${words}` },
    h(
      "span",
      { className: "btn minimal text-reset d-flex align-items-center h-100" },
      h(Icon, { name: "faArrowsRotate" }),
      NEEDS.includes(state)
        ? h(B.Badge, { variant: state === "attention" ? "warning" : "danger", pill: true, className: "ml-1", "data-plexsync": "badge", "aria-hidden": true }, state === "attention" && dead ? number(dead) : "!")
        : null,
    ),
  );
}

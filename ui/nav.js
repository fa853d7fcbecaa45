// The icon in Stash's bar, with a badge only when something needs the user. Two copies exist: the bar's and the menu's.
import { operation } from "./api.js";
import { B, h, Icon, Link, useEffect, useState } from "./parts.js";
import { usePoll } from "./run.js";
import { clean, number } from "./view.js";
import { W } from "./words.js";

const NEEDS = ["setup", "problem", "attention"];
// Shared by both copies, so that one call a minute serves them.
let told = null;
let asked = Date.now();

export default function Nav({ health, dead }) {
  const [now, setNow] = useState(told || { health, dead });
  useEffect(() => {
    const hear = ({ detail }) => detail && detail.health && setNow((told = detail));
    window.addEventListener("plexsync:health", hear);
    return () => window.removeEventListener("plexsync:health", hear);
  }, []);
  usePoll(
    async () => {
      if (Date.now() - asked < 60000) return;
      asked = Date.now();
      const answer = await operation("wake");
      if (answer && answer.health) window.dispatchEvent(new CustomEvent("plexsync:health", { detail: { health: answer.health, dead: answer.dead } }));
    },
    61,
    true,
  );
  const { state, sentence } = now.health || {};
  const words = clean(sentence) || W.nav.open;
  return h(
    Link,
    { to: "/plugins/plexsync", className: "nav-utility", "data-plexsync": "nav", "data-state": state || "", title: words, "aria-label": `${W.title}: ${words}` },
    h(
      "span",
      { className: "btn minimal d-flex align-items-center h-100" },
      h(Icon, { name: "faArrowsRotate" }),
      NEEDS.includes(state)
        ? h(B.Badge, { variant: state === "attention" ? "warning" : "danger", pill: true, className: "ml-1", "data-plexsync": "badge", "aria-hidden": true }, state === "attention" && now.dead ? number(now.dead) : "!")
        : null,
    ),
  );
}

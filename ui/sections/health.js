import { B, el, h, Icon, Link, useHistory, useOverview } from "../parts.js";
import { ago, fill, health } from "../view.js";
import { W } from "../words.js";

/** How it is in one sentence, and what to do about it. */
export default function Health() {
  const { data, problem, slow, at, here, tab, refresh } = useOverview();
  const history = useHistory();
  const said = health(data);
  const trouble = problem ? problem.message : slow ? fill(W.api.slow, { detail: 10 }) : "";
  const state = data ? said.state : trouble ? "problem" : "loading";
  const [icon, tone] = trouble ? ["faTriangleExclamation", "text-danger"] : data ? [said.icon, said.tone] : ["faClock", "text-muted"];
  const label = W.health[state];
  return el(
    "section.setting-section",
    { "data-plexsync": "health", "data-state": state, "aria-label": W.health.title },
    el(
      ".card",
      el(
        ".content.plexsync-health",
        h(Icon, { name: icon, className: `plexsync-sign ${tone}` }),
        el(
          ".plexsync-text",
          { role: "status", "aria-live": "polite" },
          trouble ? el("p.plexsync-lead", trouble) : null,
          data && trouble ? el("p.text-muted", fill(W.stale, { ago: ago(at / 1000, Date.now()) })) : null,
          data ? el(trouble ? "p.plexsync-old" : "p.plexsync-lead", said.sentence) : trouble ? null : W.loading,
          data && said.todo ? el("p.text-muted", said.todo) : null,
        ),
        trouble
          ? button("refresh", refresh, W.again)
          : state === "attention"
            ? button("show-dead", () => toDead(() => history.push(here)), label)
            : label && tab !== "setup"
              ? h(Link, { to: `${here}?tab=setup`, className: "btn btn-secondary btn-sm" }, label)
              : null,
      ),
    ),
  );
}

const button = (action, onClick, label) => h(B.Button, { size: "sm", variant: "secondary", "data-action": action, onClick }, label);

// The checklist's view has no such section: `leave()` it first.
function toDead(leave) {
  const heading = document.getElementById("plexsync-dead");
  if (heading) {
    heading.scrollIntoView();
    heading.focus();
  } else if (leave) {
    leave();
    setTimeout(toDead);
  }
}

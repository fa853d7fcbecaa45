import { B, h, Icon, Link, useOverview } from "../parts.js";
import { ago, fill, health } from "../view.js";
import { W } from "../words.js";

/** How it is in one sentence, and what to do about it. */
export default function Health() {
  const { data, problem, slow, at, here, refresh } = useOverview();
  const said = health(data);
  const trouble = problem ? problem.message : slow ? fill(W.api.slow, { seconds: 10 }) : "";
  const known = Boolean(data);
  const state = known ? said.state : trouble ? "problem" : "loading";
  const icon = trouble ? ["faTriangleExclamation", "text-danger"] : known ? [said.icon, said.tone] : ["faClock", "text-muted"];
  const link =
    said.state === "setup" || said.state === "problem"
      ? h(Link, { to: `${here}?tab=setup`, className: "btn btn-primary btn-sm", "data-action": "open-setup" }, said.state === "setup" ? W.health.setup : W.health.check)
      : said.state === "attention"
        ? h("a", { href: "#plexsync-dead", className: "btn btn-primary btn-sm", "data-action": "open-dead", onClick: toDead }, W.health.attention)
        : null;
  return h(
    "section",
    { "data-plexsync": "health", "data-state": state, className: "setting-section", "aria-label": W.health.title },
    h(
      "div",
      { className: "card" },
      h(
        "div",
        { className: "content plexsync-health" },
        h(Icon, { name: icon[0], className: `plexsync-sign ${icon[1]}` }),
        h(
          "div",
          { className: "plexsync-text", role: "status", "aria-live": "polite" },
          trouble ? h("p", { className: "plexsync-lead" }, trouble) : null,
          known && trouble ? h("p", { className: "text-muted" }, fill(W.page.stale, { ago: ago(at / 1000, Date.now()) })) : null,
          known ? h("p", { className: trouble ? "plexsync-old" : "plexsync-lead" }, said.sentence) : trouble ? null : h("p", { className: "plexsync-lead" }, W.loading),
          known && said.todo ? h("p", { className: "text-muted" }, said.todo) : null,
        ),
        trouble ? h(B.Button, { size: "sm", variant: "secondary", "data-action": "refresh", onClick: refresh }, W.page.again) : known ? link : null,
      ),
    ),
  );
}

function toDead(event) {
  const heading = document.getElementById("plexsync-dead");
  if (!heading) return;
  event.preventDefault();
  heading.scrollIntoView();
  heading.focus();
}

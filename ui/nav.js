// The icon in Stash's bar, with a badge only when something needs the user. Two copies exist: the bar's and the menu's.
// On every page of Stash, so it loads no other module.
const { React, components, libraries } = window.PluginApi;
const { createElement: h, useEffect } = React;
const TITLE = "PlexSync";
const NEEDS = ["setup", "problem", "attention"];
const MINUTE = 60000;
const WAKE = JSON.stringify({ query: 'mutation{runPluginOperation(plugin_id:"PlexSync",args:{mode:"wake"})}' });
// The loader asked just now; both copies share what is asked later.
let asked = Date.now();

async function look() {
  if (document.hidden || Date.now() - asked < MINUTE) return;
  asked = Date.now();
  try {
    const headers = { "Content-Type": "application/json" };
    const reply = await fetch(new URL("graphql", document.baseURI), { method: "POST", credentials: "same-origin", headers, body: WAKE });
    const detail = (await reply.json()).data.runPluginOperation;
    window.dispatchEvent(new CustomEvent("plexsync", { detail }));
  } catch (error) {
    // The next look tells.
  }
}

export default function Nav({ health, dead }) {
  useEffect(() => {
    const timer = setInterval(look, MINUTE + 1000);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  const { Badge, Nav: Bar } = libraries.Bootstrap;
  const { state, sentence } = health || {};
  const words = sentence || TITLE;
  const icon = libraries.FontAwesomeSolid.faArrowsRotate;
  // A link of the bar's own kind, so that the menu closes; the button within is but a look.
  return h(
    Bar.Link,
    { as: libraries.ReactRouterDOM.Link, to: "/plugins/plexsync", eventKey: "plexsync", className: "nav-utility", "data-plexsync": "nav", "data-state": state || "", title: words, "aria-label": `${TITLE}: ${words}` },
    h(
      "span",
      { className: "btn minimal text-reset d-flex align-items-center h-100" },
      components.Icon && icon ? h("span", { "aria-hidden": true }, h(components.Icon, { icon })) : TITLE,
      NEEDS.includes(state)
        ? h(Badge, { variant: state === "attention" ? "warning" : "danger", pill: true, className: "ml-1", "data-plexsync": "badge", "aria-hidden": true }, state === "attention" && dead > 0 ? dead.toLocaleString("en") : "!")
        : null,
    ),
  );
}

// The page: asks for the overview, and lays out its sections.
import { jobs, operation } from "./api.js";
import { begun as ongoing } from "./begun.js";
import { Guard, h, Lazy, Overview, useEffect, useHistory, useLocation, useRef, useState, useToast } from "./parts.js";
import { poller } from "./poll.js";
import Dead from "./sections/dead.js";
import Health from "./sections/health.js";
import { Outages, Recent, Totals, Waiting } from "./sections/lists.js";
import Now from "./sections/now.js";
import Tools from "./sections/tools.js";
import { fill, health, queue, sections } from "./view.js";
import { W } from "./words.js";

const START = { data: null, at: 0, problem: null, slow: false, jobs: [], ended: null };
const PARTS = { now: Now, dead: Dead, recent: Recent, waiting: Waiting, outages: Outages, totals: Totals, tools: Tools };
const LAZY = {
  setup: { title: W.tools.setup, load: () => import("./sections/setup.js") },
  preview: { title: W.tools.preview, late: true, load: () => import("./sections/preview.js") },
};

export default function Page() {
  const [state, setState] = useState(START);
  const place = useLocation();
  const history = useHistory();
  const toast = useToast();
  const poll = useRef(null);
  const list = useRef("");
  const tab = new URLSearchParams(place.search).get("tab") || "";
  const here = place.pathname;
  const go = (search) => history.replace({ pathname: here, search });

  useEffect(() => {
    const hidden = () => document.visibilityState === "hidden";
    const own = poller({ ask: () => operation("overview", {}, 30000), jobs, show: setState, hidden });
    poll.current = own;
    const seen = () => hidden() || own.refresh();
    document.addEventListener("visibilitychange", seen);
    own.refresh();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      own.stop();
    };
  }, []);

  const said = health(state.data);
  const { dead } = queue(state.data);
  const title = `${dead ? `(${dead}) ` : ""}${W.title}`;
  useEffect(() => {
    const set = () => (document.title = `${title} | Stash`);
    set();
    // Stash sets its own title once more when the page before had one.
    const timer = setTimeout(set, 150);
    return () => clearTimeout(timer);
  }, [title]);
  useEffect(() => () => void (document.title = "Stash"), []);

  useEffect(() => {
    if (!state.data) return;
    const { state: name, sentence } = said;
    try {
      window.dispatchEvent(new CustomEvent("plexsync", { detail: { health: { state: name, sentence }, dead } }));
    } catch (error) {
      // The icon in the bar is as it was.
    }
    // The checklist stays until its end, also over a reload, unless PlexSync connects before anybody has begun it.
    if (name === "setup" && !tab) {
      list.current = "shown";
      go("?tab=setup");
    } else if (name !== "setup" && tab === "setup" && list.current === "shown") {
      list.current = "";
      go("");
    } else if (!tab && ongoing()) go("?tab=setup");
  }, [state.data]);

  useEffect(() => {
    if (state.ended) toast.success(fill(W.ended, { task: state.ended.name }));
  }, [state.ended]);

  const begun = ({ target }) => {
    if (target.closest('[data-plexsync="setup"]')) list.current = "begun";
  };
  const known = { ...state, here, tab, refresh: () => poll.current && poll.current.refresh(true) };
  return h(
    Overview.Provider,
    { value: known },
    h(
      "main",
      { "data-plexsync": "page", className: "plexsync col-xl-8 col-lg-10 mx-auto px-0" },
      h("h1", null, W.title),
      h(Guard, null, h(Health)),
      h(
        "div",
        { className: state.problem ? "mt-4 plexsync-old" : "mt-4", onInput: begun, onClick: begun },
        sections(state, tab).map((name) =>
          h(
            Guard,
            { key: name },
            LAZY[name]
              ? h(Lazy, { name, ...LAZY[name], late: LAZY[name].late && tab !== name, overview: state.data, onDone: () => go("") })
              : h(PARTS[name]),
          ),
        ),
      ),
    ),
  );
}

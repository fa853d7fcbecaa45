// The pieces that every section is built from: Stash's React, Stash's look, our marks.
import { sceneCover } from "./api.js";
import { ago, diff, exact, fill, number } from "./view.js";
import { W } from "./words.js";

const Plugin = window.PluginApi;
export const React = Plugin.React;
export const h = React.createElement;
export const { useContext, useEffect, useRef, useState } = React;
/** react-bootstrap 1. */
export const B = Plugin.libraries.Bootstrap;
export const { Link, useHistory, useLocation } = Plugin.libraries.ReactRouterDOM;

/** What the page knows: {data, jobs, refresh(), started(jobId)}; outside the page an empty one. */
export const Overview = React.createContext({ data: null, jobs: [], refresh() {}, started() {} });
export const useOverview = () => useContext(Overview);

const noToast = { success() {}, error() {} };
export const useToast = (Plugin.hooks && Plugin.hooks.useToast) || (() => noToast);

/** An icon of Stash's own set ("faClock"); decoration only, so there is always text beside it. */
export function Icon({ name, className }) {
  const Stash = Plugin.components && Plugin.components.Icon;
  const icon = (Plugin.libraries.FontAwesomeSolid || {})[name];
  return Stash && icon ? h("span", { "aria-hidden": true, className }, h(Stash, { icon })) : null;
}

/** A part of the page: its mark, a heading, what can be done, and a card. */
export function Section({ name, title, count, children, actions, plain, ...data }) {
  const heading = useRef(null);
  const last = useRef(null);
  const id = `plexsync-${name}`;
  // A row that is gone takes the focus with it: the heading is the nearest place that stays.
  useEffect(() => {
    if (!last.current || document.contains(last.current)) return;
    last.current = null;
    if (heading.current && (!document.activeElement || document.activeElement === document.body)) heading.current.focus();
  });
  return h(
    "section",
    { "data-plexsync": name, className: "setting-section", "aria-labelledby": id, onFocus: (event) => (last.current = event.target), ...data },
    h(
      "div",
      { className: "plexsync-head" },
      h("h2", { id, tabIndex: -1, ref: heading }, title, count ? h(B.Badge, { variant: "secondary", pill: true, className: "ml-2" }, count) : null),
      actions ? h("div", { className: "plexsync-actions" }, actions) : null,
    ),
    plain ? children : h("div", { className: "card" }, children),
  );
}

/** A question before something that cannot simply be taken back. */
export function Ask({ title, text, confirm, variant, onConfirm, onClose }) {
  return h(
    B.Modal,
    { show: true, onHide: onClose, "aria-labelledby": "plexsync-ask" },
    h(B.Modal.Header, null, h("h2", { id: "plexsync-ask", className: "h5 mb-0" }, title)),
    h(B.Modal.Body, null, text),
    h(
      B.Modal.Footer,
      null,
      h(B.Button, { variant: "secondary", "data-action": "cancel", onClick: onClose }, W.cancel),
      h(B.Button, { variant: variant || "primary", "data-action": "confirm", autoFocus: true, onClick: onConfirm }, confirm || W.yes),
    ),
  );
}

/** A button that is busy while its promise runs, shows its failure, and refreshes the page; `ask` puts a question first. */
export function Action({ action, onClick, children, variant, icon, ask, done, className, ...data }) {
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const alive = useRef(true);
  const toast = useToast();
  const { refresh } = useOverview();
  useEffect(() => () => void (alive.current = false), []);
  const run = async () => {
    setAsking(false);
    setBusy(true);
    try {
      const said = await onClick();
      const text = typeof done === "function" ? done(said) : done;
      if (text) toast.success(text);
    } catch (error) {
      toast.error(error);
    }
    if (alive.current) setBusy(false);
    refresh();
  };
  return h(
    React.Fragment,
    null,
    h(
      B.Button,
      {
        size: "sm",
        variant: variant || "secondary",
        "data-action": action,
        // Not `disabled`: that would drop the focus.
        "aria-disabled": busy || undefined,
        "aria-busy": busy || undefined,
        className: `${busy ? "disabled " : ""}${className || ""}`,
        ...data,
        onClick: () => busy || (ask ? setAsking(true) : run()),
      },
      busy
        ? h("span", { className: "spinner-border spinner-border-sm mr-1", "aria-hidden": true })
        : icon
          ? h(Icon, { name: icon, className: "mr-1" })
          : null,
      children,
    ),
    asking ? h(Ask, { ...ask, onConfirm: run, onClose: () => setAsking(false) }) : null,
  );
}

/** How long ago something was; the exact time on hover. */
export const Ago = ({ at }) => (at ? h("time", { dateTime: at, title: exact(at) }, ago(at, Date.now())) : W.never);

/** One value before and after, shortened around what differs. */
export function Value({ old, next }) {
  const shown = diff(old, next);
  return h(
    "span",
    null,
    h("del", { className: "text-muted" }, shown.old || W.empty),
    ` ${W.arrow} `,
    h("ins", null, shown.next || W.empty),
    shown.same ? h("span", { className: "text-muted" }, ` (${fill(W.same, { count: shown.same })})`) : null,
  );
}

/** Keeps a failure of one part from the others. */
export class Guard extends React.Component {
  constructor(props) {
    super(props);
    this.state = { failed: null };
  }

  static getDerivedStateFromError(failed) {
    return { failed };
  }

  render() {
    const { failed } = this.state;
    if (!failed) return this.props.children;
    return h("p", { className: "content", role: "alert" }, fill(W.page.broken, { detail: String(failed.message || failed) }));
  }
}

/** A part whose module is loaded when it is first seen; its mark is there before. */
export function Lazy({ load, name, title, late, ...props }) {
  const [part, setPart] = useState(null);
  const place = useRef(null);
  useEffect(() => {
    let [alive, watch] = [true, null];
    const start = () => {
      if (watch) watch.disconnect();
      load().then(
        (module) => alive && setPart({ Part: module.default }),
        () => alive && setPart({ Part: null }),
      );
    };
    if (late && typeof IntersectionObserver === "function" && place.current) {
      watch = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && start(), { rootMargin: "200px" });
      watch.observe(place.current);
    } else start();
    return () => {
      alive = false;
      if (watch) watch.disconnect();
    };
  }, []);
  if (part && part.Part) return h(Guard, null, h(part.Part, props));
  return h("div", { ref: place }, h(Section, { name, title }, h(Nothing, null, part ? W.page.noModule : W.loading)));
}

/** The first rows of a list, and a button for the next ones; `left`: how many exist that are not in it. */
export function Rows({ rows, step, none, left, row }) {
  const [shown, setShown] = useState(step);
  if (!rows.length) return h(Nothing, null, left ? fill(W.left, { count: number(left) }) : none);
  const rest = Math.min(step, rows.length - shown);
  return h(
    React.Fragment,
    null,
    h("ul", { className: "list-unstyled mb-0" }, rows.slice(0, shown).map(row)),
    rest > 0
      ? h("div", { className: "content" }, h(B.Button, { size: "sm", variant: "secondary", onClick: () => setShown(shown + step) }, fill(W.more, { count: rest })))
      : left
        ? h(Nothing, null, fill(W.left, { count: number(left) }))
        : null,
  );
}

/** A scene's row: cover, title with its link, whatever is said below, and what can be done. */
export function Row({ sceneId, title, link, actions, children, wide, ...data }) {
  return h(
    "li",
    { className: "setting plexsync-row", "data-scene-id": sceneId, ...data },
    sceneId ? h("img", { src: sceneCover(sceneId), alt: "", loading: "lazy", className: "plexsync-cover", onError: hide }) : null,
    h("div", { className: "plexsync-text" }, h("h3", null, link ? h(Link, { to: link }, title) : title), children),
    actions ? h("div", { className: "plexsync-actions" }, actions) : null,
    wide || null,
  );
}
const hide = (event) => (event.target.style.visibility = "hidden");

/** A link to an item on Plex's web page. */
export const PlexLink = ({ web, children }) =>
  web ? h("a", { href: web, target: "_blank", rel: "noopener noreferrer", "data-action": "open-plex" }, children || W.openPlex) : null;

/** Small words in one line, those that are there. */
export const Facts = ({ children }) =>
  h(
    "div",
    { className: "sub-heading text-muted" },
    React.Children.toArray(children).map((fact, at) => h(React.Fragment, { key: at }, at ? " · " : null, fact)),
  );

/** The number in an operation's answer, however it is called. */
export const numberIn = (answer) => Object.values(answer || {}).find((value) => typeof value === "number") || 0;

/** A muted line where a list has nothing to show. */
export const Nothing = ({ children }) => h("p", { className: "content text-muted mb-0" }, children);

// The pieces of every section: Stash's React, Stash's look, our marks.
import { sceneCover } from "./api.js";
import { ago, diff, exact, fill, lasting, number } from "./view.js";
import { W } from "./words.js";

const Stash = window.PluginApi;
export const { React } = Stash;
export const h = React.createElement;
export const { useContext, useEffect, useRef, useState } = React;
/** react-bootstrap 1. */
export const B = Stash.libraries.Bootstrap;
export const { Link, useHistory, useLocation } = Stash.libraries.ReactRouterDOM;

/** An element by tag and classes: el("p.small.mb-0", props?, ...children); no tag: div. */
export function el(spec, ...rest) {
  const [tag, ...names] = spec.split(".");
  const first = rest[0];
  const props = first && typeof first === "object" && !Array.isArray(first) && !React.isValidElement(first) ? rest.shift() : null;
  return h(tag || "div", names.length ? { ...props, className: names.join(" ") } : props, ...rest);
}

/** What the page knows: {data, jobs, here, refresh(), ...}; outside the page nothing. */
export const Overview = React.createContext({ data: null, jobs: [], refresh() {} });
export const useOverview = () => useContext(Overview);

const silent = { success() {}, error() {} };
export const useToast = (Stash.hooks && Stash.hooks.useToast) || (() => silent);

/** Decoration only: there is always text beside it. */
export function Icon({ name, className }) {
  const Own = Stash.components && Stash.components.Icon;
  const icon = (Stash.libraries.FontAwesomeSolid || {})[name];
  return Own && icon ? h("span", { "aria-hidden": true, className }, h(Own, { icon })) : null;
}

/** A part of the page: its mark, a heading, what can be done, and a card. */
export function Section({ name, title, count, children, actions, ...data }) {
  const heading = useRef(null);
  const last = useRef(null);
  const id = `plexsync-${name}`;
  // A row that goes takes the focus with it: the heading is the nearest place that stays.
  useEffect(() => {
    if (!last.current || document.contains(last.current)) return;
    last.current = null;
    if (document.activeElement === document.body) heading.current.focus();
  });
  return el(
    "section.setting-section",
    { "data-plexsync": name, "aria-labelledby": id, onFocus: (event) => (last.current = event.target), ...data },
    el(
      ".plexsync-head",
      h("h2", { id, tabIndex: -1, ref: heading }, title, count ? h(B.Badge, { variant: "secondary", pill: true, className: "ml-2" }, number(count)) : null),
      actions ? el(".plexsync-actions", actions) : null,
    ),
    el(".card", children),
  );
}

export const Ask = ({ title, text, confirm, variant, onConfirm, onClose }) =>
  h(
    B.Modal,
    { show: true, onHide: onClose, "aria-labelledby": "plexsync-ask" },
    h(B.Modal.Header, null, el("h2.h5.mb-0", { id: "plexsync-ask" }, title)),
    h(B.Modal.Body, null, text),
    h(
      B.Modal.Footer,
      null,
      h(B.Button, { variant: "secondary", "data-action": "cancel", autoFocus: variant === "danger", onClick: onClose }, W.cancel),
      h(B.Button, { variant: variant || "primary", "data-action": "confirm", autoFocus: variant !== "danger", onClick: onConfirm }, confirm),
    ),
  );

/**
 * A button that is busy while its promise runs, shows a failure, and refreshes the page.
 * `say`: {label, done, title, text, confirm}; with `text` (or `ask`) it asks first; `values` fill the sentences.
 */
export function Action({ action, onClick, children, variant, icon, say = {}, values, ask, done = say.done, className, ...data }) {
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const alive = useRef(true);
  const toast = useToast();
  const { refresh } = useOverview();
  useEffect(() => () => void (alive.current = false), []);
  const question = ask || (say.text && { ...say, text: fill(say.text, values), confirm: say.confirm || say.label });
  const run = async () => {
    setAsking(false);
    setBusy(true);
    try {
      const answer = await onClick();
      const text = typeof done === "function" ? done(answer) : done;
      if (text) toast.success(fill(text, values));
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
        // Not `disabled`, which drops the focus.
        "aria-disabled": busy || undefined,
        "aria-busy": busy || undefined,
        className: `${busy ? "disabled " : ""}${className || ""}`,
        ...data,
        onClick: () => busy || (question ? setAsking(true) : run()),
      },
      busy
        ? el("span.spinner-border.spinner-border-sm.mr-1", { "aria-hidden": true })
        : icon && h(Icon, { name: icon, className: "mr-1" }),
      children || say.label,
    ),
    asking && h(Ask, { ...question, onConfirm: run, onClose: () => setAsking(false) }),
  );
}

/** The language that the user chose in Stash; undefined: the browser's. */
export function useLocale() {
  const { Intl } = Stash.libraries;
  return Intl && Intl.useIntl ? Intl.useIntl().locale : undefined;
}

/** A time by its distance; `lasting`: how long it has been so. */
export function Ago({ at, lasting: lasts }) {
  const locale = useLocale();
  return at ? h("time", { dateTime: at, title: exact(at, locale) }, (lasts ? lasting : ago)(at, Date.now())) : W.never;
}

/** A value before and after, shortened around what differs. */
export function Value({ old, next }) {
  const shown = diff(old, next);
  const part = (tag, text) => (text ? h(tag, null, text) : el("span.text-muted", W.empty));
  return h("span", null, part("del", shown.old), ` ${W.arrow} `, part("ins", shown.next));
}

export const Nothing = ({ children }) => el("p.content.text-muted.mb-0", children);

/** Small words in one line: those that are there. */
export const Facts = ({ children }) =>
  el(
    ".sub-heading.text-muted",
    React.Children.toArray(children).map((fact, at) => h(React.Fragment, { key: at }, at ? " · " : null, fact)),
  );

export const PlexLink = ({ web, children }) =>
  web &&
  h("a", { href: web, target: "_blank", rel: "noopener noreferrer", "data-action": "open-plex", className: "plexsync-link text-reset" }, children || W.openPlex);

/** Keeps the failure of one part from the others. */
export class Guard extends React.Component {
  static getDerivedStateFromError(failed) {
    return { failed };
  }

  render() {
    const { failed } = this.state || {};
    if (!failed) return this.props.children;
    return el("p.content", { role: "alert" }, fill(W.broken, { detail: String(failed.message || failed) }));
  }
}

/** A section whose module is loaded at once, or (`late`) when it comes into sight. */
export function Lazy({ load, name, title, late, ...props }) {
  const [part, setPart] = useState(null);
  const place = useRef(null);
  useEffect(() => {
    let [alive, watch] = [true, null];
    const got = (module) => alive && setPart({ Part: module && module.default });
    const start = () => load().then(got, () => got());
    if (late && typeof IntersectionObserver === "function") {
      watch = new IntersectionObserver((seen) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        watch.disconnect();
        start();
      });
      watch.observe(place.current);
    } else start();
    return () => {
      alive = false;
      if (watch) watch.disconnect();
    };
  }, []);
  if (part && part.Part) return h(Guard, null, h(part.Part, props));
  return el(".setting-section", { ref: place }, h(Section, { name, title }, h(Nothing, null, part ? W.noModule : W.loading)));
}

/** The first rows of a list, and a button for more; `left`: how many exist beyond it. */
export function Rows({ rows, step, none, left, row }) {
  const [shown, setShown] = useState(step);
  const rest = Math.min(step, rows.length - shown);
  return h(
    React.Fragment,
    null,
    el("ul.list-unstyled.mb-0", rows.slice(0, shown).map(row)),
    rest > 0
      ? el(".content", h(B.Button, { size: "sm", variant: "secondary", "data-action": "more", onClick: () => setShown(shown + step) }, fill(W.more, { count: rest })))
      : left
        ? h(Nothing, null, fill(W.left, { count: number(left) }))
        : rows.length || !none
          ? null
          : h(Nothing, null, none),
  );
}

const hide = (event) => (event.target.style.visibility = "hidden");

/** A scene's row: cover, title with its link, what is said of it, what can be done, and below all that `wide`. */
export const Row = ({ row, actions, children, wide }) =>
  el(
    "li.setting.plexsync-row",
    { "data-scene-id": row.sceneId },
    row.sceneId ? el("img.plexsync-cover", { src: sceneCover(row.sceneId), alt: "", loading: "lazy", onError: hide }) : null,
    el(".plexsync-text", h("h3", null, row.link ? h(Link, { to: row.link, className: "text-reset" }, row.title) : row.title), children),
    actions ? el(".plexsync-actions", actions) : null,
    wide || null,
  );

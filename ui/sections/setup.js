// First run: a checklist with one step open at a time. The saved token never comes into this module's state.
import { operation, query, saveSettings, settings, settingsChanged } from "../api.js";
import { begun, remember } from "../begun.js";
import { Action, B, el, h, Icon, Link, React, Section, useEffect, useHistory, useOverview, useRef, useState } from "../parts.js";
import { useAlive, usePoll, useTask } from "../run.js";
import { addressOf, asked, changes, done, names, newest as latest, news, open, setting, shown, STEPS, ticked, typed } from "../steps.js";
import { count, fill, health } from "../view.js";
import { W } from "../words.js";
import "../words-setup.js";

const w = W.setup;
const here = "/plugins/plexsync";
const small = "p.text-muted.small.my-1";
const some = (...children) => h(React.Fragment, null, ...children);
const Busy = ({ children }) => el("p.text-muted.mb-2", el("span.spinner-border.spinner-border-sm.mr-2", { "aria-hidden": true }), children);
const Wrong = ({ children }) => (children ? el("p.mb-2", h(Icon, { name: "faTriangleExclamation", className: "text-danger mr-2" }), children) : null);

/** A task's progress, or the button that starts it. */
export function Run({ name, task, children, ...rest }) {
  if (!task.job) return h(Action, { onClick: () => task.start(), ...rest }, children);
  const part = Math.round(100 * Math.min(1, task.job.progress || 0));
  return el(
    ".progress",
    el(".progress-bar", { role: "progressbar", "aria-label": fill(W.now.progress, { task: name }), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": part, style: { width: `${part}%` } }, part > 7 ? `${part} %` : ""),
  );
}

/** A box that is tried as soon as it is filled; `onTry` is told whether the person pressed Try. `blank`: so much can be tried. */
function Field({ id, label, hint, value, wrong, action, busy, blank, onTry, ...rest }) {
  const [text, setText] = useState(value);
  const timer = useRef();
  const go = () => (clearTimeout(timer.current), text.trim() || blank ? onTry(text, true) : undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return h(
    "form",
    { onSubmit: (event) => (event.preventDefault(), go()), noValidate: true },
    h("label", { htmlFor: id }, label),
    el(
      ".d-flex.mb-1",
      h(B.Form.Control, {
        id, value: text, className: "text-input mr-2", autoComplete: "off", spellCheck: false, "aria-invalid": Boolean(wrong), "aria-describedby": `${id}-hint`, ...rest,
        onChange: ({ target }) => {
          setText(target.value);
          clearTimeout(timer.current);
          if (target.value.trim()) timer.current = setTimeout(() => onTry(target.value, false), 900);
        },
      }),
      h(Action, { action, onClick: go }, w.tryPlex),
    ),
    el(small, { id: `${id}-hint` }, hint),
    busy ? h(Busy, null, w.trying) : h(Wrong, null, wrong),
  );
}

function SignIn({ onPick }) {
  const [now, setNow] = useState({});
  const start = async () => {
    // Opened within the click, or a pop-up blocker stops it; the address comes a moment later.
    const tab = window.open("", "_blank");
    try {
      const code = await operation("sign_in", { step: "start" });
      if (!code.url) throw new Error(code.sentence);
      setNow({ code });
      if (!tab) return;
      tab.opener = null;
      tab.location.replace(code.url);
    } catch (error) {
      if (tab) tab.close();
      setNow({ wrong: error.message });
    }
  };
  const poll = async () => {
    const answer = await operation("sign_in", { step: "poll", id: now.code.id });
    if (answer.state === "waiting") return;
    const servers = (answer.servers || []).filter((server) => server.owned !== false);
    setNow(servers.length ? { servers } : { wrong: answer.sentence || (answer.state === "expired" ? w.expired : w.noServers) });
  };
  usePoll(() => poll().catch((error) => setNow({ ...now, wrong: error.message })), 2, Boolean(now.code));
  const address = (server) => (one) =>
    h(
      "li",
      { key: one.uri, className: "plexsync-address" },
      h("span", null, one.uri, " ", h("small", { className: one.ok ? "" : "text-muted" }, one.ok ? h(Icon, { name: "faCircleCheck", className: "text-success mr-1" }) : null, one.ok ? w.answers : one.sentence || w.silent)),
      h(Action, { action: "use-server", variant: one.ok ? "primary" : "secondary", "data-uri": one.uri, "aria-label": `${w.use}: ${one.uri}`, onClick: () => onPick(server.machine, one.uri) }, w.use),
    );
  return el(
    ".my-3",
    h(Action, { action: "sign-in", variant: "primary", onClick: start }, w.signIn),
    el(small, w.signInHint),
    h(
      "div",
      { role: "status" },
      h(Wrong, null, now.wrong),
      now.code ? h(Busy, null, w.waiting, " ", h("a", { href: now.code.url, target: "_blank", rel: "noopener noreferrer" }, w.signInOpen)) : null,
      now.servers ? el("p.mb-2", w.found) : null,
    ),
    (now.servers || []).map((server) => h("div", { key: server.machine, role: "group", "aria-label": server.name }, h("strong", null, server.name), el("ul.list-unstyled", (server.addresses || []).map(address(server))))),
  );
}

function Libraries({ libraries, titles, setTitles, onSave, onTry }) {
  const toggle = (title) => setTitles(titles.includes(title) ? titles.filter((one) => one !== title) : [...titles, title]);
  if (!libraries.some((one) => one.usable)) return some(h(Wrong, null, w.noLibrary), h(Action, { action: "try-plex", onClick: onTry }, w.tryPlex));
  return some(
    el(
      "fieldset.mb-2",
      el("legend.text-muted.small", w.librariesHint),
      libraries.map((one, number) =>
        h(B.Form.Check, {
          key: number,
          id: `plexsync-library-${number}`,
          disabled: !one.usable,
          checked: titles.includes(one.title) && one.usable,
          onChange: () => toggle(one.title),
          label: some(one.title, " ", el("small.text-muted", !one.usable ? fill(w.unusable, one) : one.items === null ? "" : count(one.items, "item"))),
        }),
      ),
    ),
    h(Wrong, null, !titles.length && w.tickOne),
    h(Action, { action: "save-setup", variant: "primary", onClick: () => titles.length && onSave() }, w.save),
  );
}

function Paths({ check, onCheck, onAccept, onSkip }) {
  if (!check || check.busy) return h(Busy, null, w.comparing);
  const map = check.path_map || {};
  return some(
    h(Wrong, null, check.failed),
    map.sample ? el("p.mb-2", fill(w.sample, map)) : null,
    map.suggested
      ? (map.pairs || []).map((pair) => h("p", { key: pair.stash, className: "plexsync-path mb-2" }, h("strong", null, fill(w.pair, shown(pair))), " ", el("small.text-muted", fill(w.files, { files: count(pair.files, "file") }))))
      : check.ok && map.matched && el("p.mb-2", w.noMap),
    (check.lines || []).length ? el("details.mb-2", { open: !(check.ok && map.matched) }, h("summary", null, w.details), el("ul.pl-4.small", check.lines.map((line) => h("li", { key: line }, line)))) : null,
    el(
      ".plexsync-actions",
      map.suggested ? h(Action, { action: "accept-path-map", variant: "primary", onClick: onAccept }, w.accept) : null,
      h(Action, { action: "check-setup", onClick: onCheck }, w.again),
      h(Action, { action: "skip-paths", onClick: onSkip }, w.skip),
    ),
  );
}

/** One row: number or tick, name, result; the body while it is open. */
function Step({ number, name, ready, isOpen, result, reachable, onOpen, children }) {
  const heading = useRef(null);
  // The focus went away with the step before: whoever works with the keyboard goes on here.
  useEffect(() => {
    const at = document.activeElement;
    if (isOpen && number > 1 && (at === document.body || at.matches(".plexsync-step h3"))) heading.current.focus({ preventScroll: true });
  }, [isOpen]);
  const label = ready ? w.reopen[name] || w.change : w.open;
  return el(
    "li.plexsync-step",
    { "data-step": name, "data-done": ready, "aria-current": isOpen ? "step" : undefined },
    h("span", { className: ready ? "text-success" : "text-muted" }, ready ? h(Icon, { name: "faCircleCheck" }) : h("span", { "aria-hidden": true }, number)),
    h(
      "div",
      null,
      h("h3", { ref: heading, tabIndex: -1, className: isOpen || ready ? "" : "text-muted" }, w.step[name], ready ? el("span.sr-only", ` (${w.done})`) : null),
      result && !isOpen ? el(".sub-heading", result) : null,
      isOpen ? el(".mt-2", children) : null,
    ),
    reachable && !isOpen ? h(B.Button, { variant: "secondary", size: "sm", className: "minimal", "data-action": "open-step", "aria-label": `${label}: ${w.step[name]}`, onClick: onOpen }, label) : null,
  );
}

export default function Setup() {
  const { data, ended, jobs, refresh } = useOverview();
  const history = useHistory();
  const alive = useAlive();
  const [it, setAll] = useState({ saved: null, url: "", token: "", machine: "", tried: null, titles: [], check: null, skipped: {}, synced: Boolean((begun() || {}).synced) });
  const newest = useRef(it);
  const turn = useRef(0);
  const first = useRef(null);
  const since = useRef((begun() || {}).since);
  const set = (part) => alive.current && setAll((newest.current = { ...newest.current, ...part }));
  const { saved, tried, titles, check, trying, preview } = it;

  const readSaved = async () => {
    const { plexToken, ...rest } = await settings();
    set({ saved: { ...rest, token: Boolean(plexToken) } });
    return newest.current.saved;
  };
  const attempt = async (part, pressed) => {
    const mine = ++turn.current;
    set({ ...typed(part), trying: true });
    const { saved: now } = newest.current;
    const args = asked(now, newest.current, pressed);
    const answer = await operation("try_plex", args).catch((error) => ({ sentence: error.message }));
    // An address that answers is kept at once; a token only after its libraries, since syncing begins with it.
    if (mine === turn.current && args.url && !args.machine && answer.version && !now.token) await saveSettings({ plexUrl: args.url }).then(readSaved, () => {});
    if (mine !== turn.current) return;
    const libraries = answer.libraries || [];
    set({ tried: { ...answer, libraries }, trying: false, check: null, wanted: null, titles: ticked(libraries, now.plexLibraries) });
  };
  const begin = async () => {
    set({ failed: "" });
    try {
      const now = await readSaved();
      set({ confirmed: now.token });
      await attempt({ url: addressOf(now) });
    } catch (error) {
      set({ failed: error.message });
    }
  };
  const readPreview = () => operation("preview_rows", { offset: 0, limit: 1 }).then((answer) => set({ preview: answer.made_at && answer }), () => {});
  const runCheck = async () => {
    set({ check: { busy: true } });
    set({ check: await operation("check_setup", {}, 180000).catch((error) => ({ failed: error.message })) });
  };
  useEffect(() => {
    begin();
    readPreview();
    query("{findScenes(filter:{per_page:1}){count}}").then((found) => set({ scenes: found.findScenes.count }), () => {});
  }, []);
  const previewing = useTask("Preview", readPreview);
  const keep = (part) => begun() && remember({ ...begun(), ...part });
  const wasSynced = () => (set({ synced: true }), keep({ synced: true }));
  const syncing = useTask("Sync all", wasSynced);
  // The button below the checklist counts too; what ended before the checklist was opened does not.
  const before = useRef(ended);
  useEffect(() => void (ended && ended !== before.current && ended.name === "Sync all" && wasSynced()), [ended]);

  // What was there before ends no step: only what came since, by the times of the rows themselves.
  if (data && since.current === undefined) since.current = latest(data.recent);
  const arrived = (first.current = first.current || news(data && data.recent, since.current)[0]);
  const synced = it.synced || Boolean(arrived && (syncing.job || jobs.some((job) => job.name === "Sync all")));
  const stored = Boolean(saved && it.confirmed && !it.token && !it.machine && it.url === addressOf(saved));
  const map = (check && check.path_map) || {};
  const noMap = check && check.ok && !map.suggested && (map.matched || !map.sample);
  const state = done({
    tried,
    stored,
    synced,
    preview: preview || it.skipped.preview,
    paths: saved && (saved.plexPathMap || it.skipped.paths || noMap || preview),
  });
  const current = open(state, it.wanted);
  const reach = STEPS.indexOf(STEPS.find((step) => !state[step]) || "sync");
  useEffect(() => void (current === "paths" && !check && runCheck()), [current, check]);

  // The checklist stays when the health that brought it is over.
  const stay = () => history.replace(`${here}?tab=setup`);
  const save = async () => {
    stay();
    if (health(data).state === "setup") remember({ since: since.current || "" });
    const changed = changes(saved, { ...it, libraries: setting(tried.libraries, titles) });
    if (Object.keys(changed).length) await saveSettings(changed);
    if (it.machine) {
      // Last, since syncing begins with it.
      try {
        await operation("sign_in", { step: "use", machine: it.machine, uri: it.url });
      } catch (error) {
        await readSaved();
        await attempt({});
        if (newest.current.tried.ok) throw error;
        return;
      }
      settingsChanged();
    }
    await readSaved();
    set({ token: "", machine: "", confirmed: true, wanted: null });
    refresh();
  };
  const pick = (machine, url) => attempt({ url, machine, token: "", confirmed: false });
  const accept = async () => {
    await saveSettings({ plexPathMap: map.suggested });
    await readSaved();
    set({ wanted: null });
  };
  const finish = () => {
    remember(null);
    history.replace(here);
  };
  const skip = (step) => () => set({ skipped: { ...it.skipped, [step]: true }, wanted: null });
  const wrong = tried && !tried.ok && tried.sentence;
  const unreached = !state.address && wrong;
  const refused = (it.token || it.machine || (saved && saved.token)) && wrong;
  const box = { busy: trying, type: "url", action: "try-plex" };
  const limited = tried && names(setting(tried.libraries, titles)).length;
  const results = {
    address: tried && tried.version ? fill(w.reached, { version: tried.version, url: it.url }) : it.url,
    token: w.tokenOk,
    libraries: fill(limited ? "{names}" : w.all, { names: titles.join(", ") }),
    paths: saved && saved.plexPathMap ? (map.pairs || []).map((pair) => fill(w.pair, shown(pair))).join("; ") || w.mapped : noMap ? w.noMap : "",
    preview: preview ? fill(w.previewed, { rows: count(preview.total, "row") }) : w.skipped,
    sync: arrived ? fill(w.arrived, arrived) : synced && w.nothing,
  };
  const bodies = {
    address: () =>
      some(
        h(Field, { ...box, id: "plexsync-url", label: w.address, hint: w.addressHint, value: it.url, wrong: unreached, onTry: (url, pressed) => attempt({ url, machine: "" }, pressed) }),
        !trying && /Accept any certificate/.test(unreached)
          ? h(B.Form.Check, { id: "plexsync-tls", label: w.anyCertificate, checked: false, onChange: () => saveSettings({ plexSkipTlsVerify: true }).then(readSaved).then(() => attempt({})) })
          : null,
        h(SignIn, { onPick: pick }),
      ),
    token: () =>
      some(
        h(SignIn, { onPick: pick }),
        h(Field, { ...box, id: "plexsync-token", label: w.byHand, hint: w.tokenHint, type: "password", value: it.token, blank: saved && saved.token, wrong: refused, onTry: (token, pressed) => attempt({ token, machine: "" }, pressed) }),
      ),
    libraries: () => h(Libraries, { libraries: tried.libraries, titles, setTitles: (next) => set({ titles: next }), onSave: save, onTry: () => attempt({}, true) }),
    paths: () => h(Paths, { check, onCheck: runCheck, onAccept: accept, onSkip: skip("paths") }),
    preview: () =>
      some(
        el(small, w.previewHint),
        h(Run, { name: "Preview", action: "preview", variant: "primary", task: previewing }, w.preview),
        previewing.job ? null : h(B.Button, { variant: "secondary", size: "sm", className: "ml-2", "data-action": "skip-preview", onClick: skip("preview") }, w.skip),
      ),
    sync: () =>
      some(
        el(small, w.syncHint),
        h(Run, { name: "Sync all", action: "sync-all", variant: "primary", task: syncing }, it.scenes === undefined ? w.sync : fill(w.syncCount, { scenes: count(it.scenes, "scene") })),
        arrived || synced
          ? el(
              "p.mt-2.mb-0",
              { "data-scene-id": arrived && arrived.scene_id },
              arrived ? h(Icon, { name: "faCircleCheck", className: "text-success mr-2" }) : null,
              results.sync,
            )
          : null,
      ),
  };
  const look = (name) => (name === "preview" && preview ? some(results.preview, " ", h(Link, { to: `${here}?tab=preview` }, w.look)) : results[name]);
  const told = trying ? "" : (current === "address" && unreached) || (current === "token" && refused) || results[STEPS[reach - 1]] || "";
  return h(
    Section,
    { name: "setup", title: w.title },
    el("p.content.text-muted.mb-0", w.hint),
    el("p.sr-only", { role: "status" }, told),
    it.failed ? el(".content", h(Wrong, null, it.failed), h(Action, { action: "reload", onClick: begin }, w.tryPlex)) : null,
    it.url
      ? el(
          "ol.list-unstyled.mb-0",
          STEPS.map((name, index) =>
            h(
              Step,
              { key: name, name, number: index + 1, ready: state[name], isOpen: current === name, result: state[name] && look(name), reachable: index <= reach, onOpen: () => set({ wanted: name }) },
              current === name ? bodies[name]() : null,
            ),
          ),
        )
      : null,
    state.libraries ? el(".content.plexsync-actions", h(B.Button, { variant: state.sync ? "primary" : "secondary", size: "sm", "data-action": "finish-setup", onClick: finish }, w.finish)) : null,
  );
}

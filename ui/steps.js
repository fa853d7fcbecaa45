// The checklist of the first run, as pure functions: what is done, what is open, what would be saved.
export const STEPS = ["address", "token", "libraries", "paths", "preview", "sync"];

export const usual = "http://localhost:32400";

// The address that the saved settings amount to: version 0.1's host and port count while no address is set.
export const addressOf = ({ plexUrl, plexHost, plexPort } = {}) =>
  plexUrl || (plexHost ? `https://${plexHost}:${plexPort || 32400}` : usual);

export const names = (text) =>
  (text || "").split(/[,;\n]/).map((name) => name.trim()).filter(Boolean);

// A title may have commas itself, so it is looked for as a run of names.
const run = (text) => `,${names(text).join(",")},`.toLowerCase().replace(/["'\u2018\u2019\u201c\u201d]/g, "");

// The libraries that are ticked at first: those in the setting, or every usable one.
export function ticked(libraries, saved) {
  return libraries
    .filter((one) => one.usable && (!names(saved).length || run(saved).includes(run(one.title))))
    .map((one) => one.title);
}

// The setting for these ticks: empty means all.
export function setting(libraries, titles) {
  const usable = libraries.filter((one) => one.usable);
  return usable.every((one) => titles.includes(one.title)) ? "" : titles.join(", ");
}

// A learned path map as the user reads it: folders end in a slash.
const folder = (path) => `${String(path).replace(/[\\/]+$/, "")}/`;
export const shown = ({ stash, plex, files }) => ({ stash: folder(stash), plex: folder(plex), files });

// What try_plex is asked. `machine`: of a server that the sign-in found; its token is not known here.
export const asked = (saved, { url, token, machine }) =>
  machine ? { url, machine } : { ...(url.trim() === addressOf(saved) ? {} : { url: url.trim() }), ...(token && { token: token.trim() }) };

// Only what differs from what is saved; the token only if one was typed. The sign-in saves its server itself, at last.
export function changes(saved, { url, token, libraries, machine }) {
  const changed = {};
  if (machine) [url, token] = ["", ""];
  if (url && url.trim() !== addressOf(saved)) changed.plexUrl = url.trim();
  if (token) changed.plexToken = token.trim();
  if (libraries !== undefined && libraries !== names(saved.plexLibraries).join(", ")) changed.plexLibraries = libraries;
  return changed;
}

// Whether the address is right as far as is known: sentences about it name its setting.
const reached = ({ ok, version, broken, sentence }) => Boolean(ok || version || !(broken || /"Plex address"/.test(sentence)));

// The rows that came in after `since` (ISO, of the newest row when the checklist began), the oldest first.
export const news = (rows, since) => (rows || []).filter((row) => row.kind !== "undo" && row.at > since).reverse();

// The time of the newest row: what is not newer was there before.
export const newest = (rows) => (rows || []).reduce((at, row) => (row.at > at ? row.at : at), "");

// Which steps are done. `tried`: try_plex's answer; `stored`: nothing typed waits to be saved; `synced`: Sync all ran.
export function done({ tried, stored, paths, preview, synced }) {
  const address = Boolean(tried) && reached(tried);
  const token = address && Boolean(tried.ok || (tried.libraries || []).length);
  const libraries = token && Boolean(tried.ok && stored);
  return {
    address,
    token,
    libraries,
    paths: libraries && Boolean(paths),
    preview: libraries && Boolean(preview),
    sync: libraries && Boolean(synced),
  };
}

// The step that is open: the one the user opened if it can be, else the first that is not done.
export function open(state, wanted) {
  const first = STEPS.find((step) => !state[step]) || "sync";
  return wanted && STEPS.indexOf(wanted) <= STEPS.indexOf(first) ? wanted : first;
}

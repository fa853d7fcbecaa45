// The checklist of the first run, as pure functions: what is done, what is open, what would be saved.
export const STEPS = ["address", "token", "libraries", "paths", "preview", "sync"];

export const usual = "http://localhost:32400";

// An address without what follows its path: in an answer of Plex's that is a token.
const place = (url) => (url || "").split(/[?#]/)[0].trim();

// The token in a text such as the address of an answer of Plex's, else the text.
const secret = (text) => (/token["']?\s*(?:=|:|%3[ad])\s*["']?([^\s"'&#;,<>%]+)/i.exec(text) || [0, text.trim()])[1];

// What is tried, and saved later, of what was typed.
export const typed = ({ url, token, ...rest }) => ({ ...rest, ...(url !== undefined && { url: place(url) || url.trim() }), ...(token !== undefined && { token: secret(token) }) });

// The address that the saved settings amount to: version 0.1's host and port count while no address is set.
export const addressOf = ({ plexUrl, plexHost, plexPort } = {}) =>
  place(plexUrl) || (plexHost ? `https://${plexHost}:${plexPort || 32400}` : usual);

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

// What try_plex is asked. `machine`: of a server that the sign-in found; its token is not known here. `pressed`: the person asks for
// it, so the saved token may go to another address too.
export const asked = (saved, { url, token, machine }, pressed) =>
  machine ? { url, machine } : { ...(url === addressOf(saved) ? {} : { url, ...(pressed && !token && { saved_token: true }) }), ...(token && { token }) };

// Only what differs from what is saved; the token only if one was typed. The sign-in saves its server itself, at last.
export function changes(saved, { url, token, libraries, machine }) {
  const changed = {};
  if (machine) [url, token] = ["", ""];
  if (url && url !== addressOf(saved)) changed.plexUrl = url;
  if (token) changed.plexToken = token;
  if (libraries !== undefined && libraries !== names(saved.plexLibraries).join(", ")) changed.plexLibraries = libraries;
  return changed;
}

// The rows that came in after `since` (ISO, of the newest row when the checklist began), the oldest first.
export const news = (rows, since) => (rows || []).filter((row) => row.kind !== "undo" && row.at > since).reverse();

// The time of the newest row: what is not newer was there before.
export const newest = (rows) => (rows || []).reduce((at, row) => (row.at > at ? row.at : at), "");

// Which steps are done. `tried`: try_plex's answer; `stored`: nothing typed waits to be saved; `synced`: Sync all ran.
export function done({ tried, stored, paths, preview, synced }) {
  const address = Boolean(tried && tried.version);
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

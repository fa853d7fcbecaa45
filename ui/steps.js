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

// Only what differs from what is saved; the token only if one was typed.
export function changes(saved, { url, token, libraries }) {
  const changed = {};
  if (url && url.trim() !== addressOf(saved)) changed.plexUrl = url.trim();
  if (token) changed.plexToken = token.trim();
  if (libraries !== undefined && libraries !== names(saved.plexLibraries).join(", ")) changed.plexLibraries = libraries;
  return changed;
}

// Whether the address is right as far as is known: sentences about it name its setting.
const reached = ({ ok, version, broken, sentence }) => Boolean(ok || version || !(broken || /"Plex address"/.test(sentence)));

// Which steps are done. `tried`: try_plex's answer; `stored`: nothing typed waits to be saved.
export function done({ tried, stored, paths, preview, arrived }) {
  const address = Boolean(tried) && reached(tried);
  const token = address && Boolean(tried.ok || (tried.libraries || []).length);
  const libraries = token && Boolean(tried.ok && stored);
  return {
    address,
    token,
    libraries,
    paths: libraries && Boolean(paths),
    preview: libraries && Boolean(preview),
    sync: libraries && Boolean(arrived),
  };
}

// The step that is open: the one the user opened if it can be, else the first that is not done.
export function open(state, wanted) {
  const first = STEPS.find((step) => !state[step]) || "sync";
  return wanted && STEPS.indexOf(wanted) <= STEPS.indexOf(first) ? wanted : first;
}

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

// Only what differs from what is saved; the token only if one was typed.
export function changes(saved, { url, token, libraries }) {
  const changed = {};
  if (url && url.trim() !== addressOf(saved)) changed.plexUrl = url.trim();
  if (token) changed.plexToken = token.trim();
  if (libraries !== undefined && libraries !== names(saved.plexLibraries).join(", ")) changed.plexLibraries = libraries;
  return changed;
}

// Which steps are done. `tried` is try_plex's answer; `stored`: nothing typed waits to be saved.
export function done({ tried, stored, paths, preview, arrived }) {
  const reached = Boolean(tried && (tried.ok || tried.version));
  const ok = Boolean(tried && tried.ok);
  return {
    address: reached,
    token: ok,
    libraries: ok && stored,
    paths: ok && stored && Boolean(paths),
    preview: ok && stored && Boolean(preview),
    sync: ok && stored && Boolean(arrived),
  };
}

// The step that is open: the one the user opened if it can be, else the first that is not done.
export function open(state, wanted) {
  const first = STEPS.find((step) => !state[step]) || "sync";
  return wanted && STEPS.indexOf(wanted) <= STEPS.indexOf(first) ? wanted : first;
}

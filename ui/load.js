// Loads a module of the page by its name. Apart from the loader, since a browser without import() cannot even read this.
const FILES =
  "api begun nav page parts poll run scene settings steps view words words-setup sections/candidates sections/dead sections/health sections/lists" +
  " sections/now sections/preview sections/setup sections/tools";
const KEY = "plexsync-version";
let fresh = null;

// A browser may keep files of ours for days: after an update all are fetched anew, so that two versions never mix.
async function refresh() {
  try {
    const version = new URL(import.meta.url).searchParams.get("v");
    const before = localStorage.getItem(KEY);
    if (before === version) return;
    const again = (name) => fetch(new URL(`${name}.js`, import.meta.url), { cache: "reload", credentials: "same-origin" });
    if (before) await Promise.all(FILES.split(" ").map(again));
    localStorage.setItem(KEY, version);
  } catch (error) {
    // Without a store, or offline: what the browser has is used.
  }
}

window.plexSyncImport = (name) => {
  fresh = fresh || refresh();
  return fresh.then(() => import(`./${name}.js`));
};

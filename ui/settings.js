// Settings > Plugins, for PlexSync alone: required first, the rest by subject, 0.1's keys only where set, a masked token.
import { W } from "./words.js";

const w = W.settings;
export const REQUIRED = ["plexUrl", "plexToken"];
export const OLD = ["plexHost", "plexPort"];
const ORDER = [
  ...REQUIRED, ...OLD, "plexLibraries", "plexPathMap", "plexSkipTlsVerify",
  "dryRun", "keepPlexEdits", "matchLowConfidence", "missingIgnore", "missingScan", "skipUnorganized",
  "skipTitle", "skipSummary", "skipDate", "skipStudio", "skipCollection", "skipActors", "skipGenres", "maxTags", "skipPoster", "skipBackground", "cleanTitles",
  "tagStashIDs", "tagID_emptystashid", "tagID_stashdb", "tagID_pmvstash", "tagID_porndb", "tagID_fansdb", "tagID_javstash",
  "maxRetries", "logDebug", "logHidePaths",
];

/** The settings in the order of their subjects; unknown ones last. `saved`: what is set; null if unknown, then nothing is hidden. */
export function ordered(settings, saved) {
  const place = ({ name }) => (ORDER.indexOf(name) + 1 || ORDER.length + 1);
  return settings
    .filter(({ name }) => !saved || !OLD.includes(name) || saved[name])
    .map((one, at) => [one, at])
    .sort(([a, i], [b, j]) => place(a) - place(b) || i - j)
    .map(([one]) => one);
}

// Runs beside the value in the panel and below the box in its dialog: neither shows nor speaks the token.
function mask(node) {
  const value = node && node.closest(".setting") && node.closest(".setting").querySelector(".value");
  if (value) value.setAttribute("aria-hidden", "true");
  const box = node && node.closest(".modal-body") && node.closest(".modal-body").querySelector("input");
  if (box) Object.assign(box, { type: "password", autocomplete: "off" });
}

export default function arrange(props, React) {
  const { hooks, libraries } = window.PluginApi;
  const { Link } = libraries.ReactRouterDOM;
  const h = React.createElement;
  let saved = null;
  try {
    saved = hooks.useSettings().plugins[props.pluginID] || {};
  } catch (error) {
    // Unknown: nothing is hidden.
  }
  const describe = (one) => {
    if (one.name === "plexToken") return h("span", { ref: mask }, one.description);
    if (one.name !== "plexUrl") return one.description;
    return h(React.Fragment, null, h("span", { className: "d-block mb-1" }, h(Link, { to: "/plugins/plexsync", className: "text-reset", "data-plexsync": "settings-link" }, h("u", null, w.page)), ` ${w.pageHint}`), one.description);
  };
  return { ...props, settings: ordered(props.settings, saved).map((one) => ({ ...one, description: describe(one) })) };
}

// Remembers in this browser that the checklist was begun and not ended; without a store a reload forgets it.
const KEY = "plexsync-setup";

/** {since, synced} of the checklist that was begun, or null. */
export function begun() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch (error) {
    return null;
  }
}

/** Remember the checklist; nothing: it has ended. */
export function remember(what) {
  try {
    if (what) localStorage.setItem(KEY, JSON.stringify(what));
    else localStorage.removeItem(KEY);
  } catch (error) {
    // It is asked again after a reload.
  }
}

// Wakes PlexSync's background worker once for each page load of Stash, so that nothing waits for the next edit
// after a restart. It draws nothing; whatever goes wrong here must not reach the page.
(function () {
  "use strict";
  try {
    if (window.plexSyncWoken) return;
    window.plexSyncWoken = true;
    fetch(new URL("graphql", document.baseURI), {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        query: 'mutation{runPluginOperation(plugin_id:"PlexSync",args:{mode:"wake"})}',
      }),
    }).catch(function () {});
  } catch (error) {
    // An old browser, or a page without an address: the next edit wakes the worker.
  }
})();

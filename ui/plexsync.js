// PlexSync on Stash's pages: wakes the worker once for each page load, and registers the page, the icon, a
// scene's tab and the order of the settings, whose code is loaded when shown. Nothing that goes wrong here
// may reach Stash: an exception in the bar would blank every page.
(function () {
  "use strict";
  if (window.plexSync) return;
  const VERSION = "1.1.0";
  const SORRY = "PlexSync could not load this part. Reload the page; or this browser is too old.";
  const known = (window.plexSync = { version: VERSION, health: null, dead: 0 });
  const drawn = [];
  const tell = (news) => {
    if (!news || !news.health) return;
    known.health = news.health;
    known.dead = news.dead || 0;
    drawn.forEach((draw) => draw({}));
  };

  try {
    fetch(new URL("graphql", document.baseURI), {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        query: 'mutation{runPluginOperation(plugin_id:"PlexSync",args:{mode:"wake"})}',
      }),
    })
      .then((reply) => reply.json())
      .then((answer) => tell(answer.data.runPluginOperation))
      .catch(() => {});
  } catch (error) {
    // The next edit wakes it.
  }

  let ready = null;
  const script = () =>
    new Promise((done, failed) => {
      const tag = document.createElement("script");
      tag.type = "module";
      tag.src = new URL(`plugin/PlexSync/assets/load.js?v=${VERSION}`, document.baseURI).href;
      tag.onerror = failed;
      tag.onload = () => (window.plexSyncImport ? done() : failed());
      if ("noModule" in tag) document.head.appendChild(tag);
      else failed();
    });
  const load = (name) => {
    ready = ready || script();
    ready.catch(() => (ready = null));
    return ready.then(() => window.plexSyncImport(name));
  };

  try {
    const { React, libraries, patch, register } = window.PluginApi;
    const { Nav, Tab } = libraries.Bootstrap;
    const { createElement: h, useEffect, useRef, useState } = React;

    // What fails is replaced by `sorry`, in its own place only.
    class Guard extends React.Component {
      static getDerivedStateFromError() {
        return { failed: true };
      }

      render() {
        return this.state ? this.props.sorry || null : this.props.children;
      }
    }
    const Part = ({ name, sorry, ...props }) => {
      const [module, set] = useState(null);
      useEffect(() => {
        let alive = true;
        const got = (found) => alive && set(found);
        load(name).then(got, () => got({}));
        return () => (alive = false);
      }, []);
      return module && (module.default ? h(module.default, props) : sorry || null);
    };
    const part = (props) => h(Guard, props, h(Part, props));
    const sorry = h("p", { role: "alert" }, SORRY);

    const Page = () => part({ name: "page", sorry });

    const Icon = () => {
      const draw = useState(0)[1];
      useEffect(() => {
        drawn.push(draw);
        return () => drawn.splice(drawn.indexOf(draw), 1);
      }, []);
      return part({ name: "nav", health: known.health, dead: known.dead });
    };

    // Stash mounts the content of every tab with the scene: ours starts when its tab is opened.
    const Scene = ({ scene }) => {
      const place = useRef(null);
      const opened = useRef(false);
      const [shown, show] = useState(false);
      useEffect(() => {
        const pane = place.current.closest(".tab-pane");
        show(!pane || pane.classList.contains("active"));
      });
      opened.current = opened.current || shown;
      return h("div", { ref: place }, opened.current && part({ name: "scene", scene, shown, sorry }));
    };

    // On any doubt a place stays as it is.
    const change = (place, how) =>
      patch.before(place, (props, ...rest) => {
        try {
          return [how(props) || props, ...rest];
        } catch (error) {
          return [props, ...rest];
        }
      });
    const add = (place, make) =>
      change(place, (props) => {
        return { ...props, children: h(React.Fragment, null, props.children, h(Guard, null, make(props))) };
      });

    register.route("/plugins/plexsync", Page);
    add("MainNavBar.UtilityItems", () => h(Icon));
    add("ScenePage.Tabs", () =>
      h(Nav.Item, null, h(Nav.Link, { eventKey: "plexsync", "data-plexsync": "scene-tab" }, "Plex")),
    );
    add("ScenePage.TabContent", ({ scene }) => h(Tab.Pane, { eventKey: "plexsync" }, h(Scene, { scene })));

    let arrange = null;
    change("PluginSettings", (props) => {
      const draw = useState(0)[1];
      const ours = props.pluginID === "PlexSync";
      useEffect(() => {
        if (ours) load("settings").then((module) => draw((arrange = module.default) && 1), Object);
      }, []);
      return ours && arrange && arrange(props, React);
    });
    window.addEventListener("plexsync", (event) => tell(event.detail));
  } catch (error) {
    // No such places: nothing is drawn.
  }
})();

// A front end that behaves to plugins as Stash's does: window.PluginApi, its pages, and how it loads their scripts.
import React, { Suspense, useEffect, useState } from "react";
import ReactDOM from "react-dom";
import * as ReactRouterDOM from "react-router-dom";
import * as Bootstrap from "react-bootstrap";
import * as Apollo from "@apollo/client";
import * as Intl from "react-intl";
import * as ReactSelect from "react-select";
import * as FontAwesomeSolid from "@fortawesome/free-solid-svg-icons";
import * as FontAwesomeRegular from "@fortawesome/free-regular-svg-icons";
import * as FontAwesomeBrands from "@fortawesome/free-brands-svg-icons";
import Mousetrap from "mousetrap";
import MousetrapPause from "mousetrap-pause";
import { config } from "@fortawesome/fontawesome-svg-core";
import * as GQL from "./gql";
import { getClient } from "./client";
import { after, before, component, components, container, instead } from "./patch";
import { LoadingIndicator } from "./shared";
import { ToastProvider, useToast } from "./toast";
import MainNavbar from "./nav";
import Settings, { useSettings } from "./settings";
import { SceneLoader, Scenes } from "./scenes";
import "bootstrap/dist/css/bootstrap.css";
import "@fortawesome/fontawesome-svg-core/styles.css";
import "./theme.css";

config.autoAddCss = false;
MousetrapPause(Mousetrap);
const { BrowserRouter, Link, Route, Switch, useLocation } = ReactRouterDOM;

const PluginRoutes = container("PluginRoutes");
const events = new EventTarget();
const lazily = () => new Promise((done) => setTimeout(done, 5));
const loadComponents = (loaders) => Promise.all(loaders.map((load) => load()));

function useLoadComponents(loaders) {
  const [loading, setLoading] = useState(true);
  useEffect(() => { let here = true; loadComponents(loaders).then(() => here && setLoading(false)); return () => { here = false; }; }, []);
  return loading;
}

const mutate = (mutation, variables) => getClient().mutate({ mutation, variables });
const StashService = {
  getClient,
  useConfiguration: GQL.useConfigurationQuery,
  usePlugins: GQL.usePluginsQuery,
  useJobQueue: GQL.useJobQueueQuery,
  useJobsSubscribe: GQL.useJobsSubscribeSubscription,
  useFindScenes: (filter) => GQL.useFindScenesQuery({ variables: { filter } }),
  useFindScene: (id) => GQL.useFindSceneQuery({ variables: { id } }),
  mutateRunPluginTask: (plugin_id, task_name) => mutate(GQL.RunPluginTaskDocument, { plugin_id, task_name }),
  mutateStopJob: (job_id) => mutate(GQL.StopJobDocument, { job_id }),
};

window.PluginApi = {
  React, ReactDOM, GQL, components, Event: events,
  libraries: { ReactRouterDOM, Bootstrap, Apollo, Intl, FontAwesomeSolid, FontAwesomeRegular, FontAwesomeBrands, Mousetrap, MousetrapPause, ReactSelect },
  register: {
    route: (path, Page) => before("PluginRoutes", (props) => [{ children: <>{props.children}<Route path={path} component={Page} /></> }]),
    component: (name, fn) => {
      if (components[name]) throw new Error(`Component ${name} has already been registered`);
      components[name] = fn;
      return fn;
    },
  },
  loadableComponents: { Settings: lazily, Scenes: lazily, Scene: lazily, SceneCard: lazily, TagLink: lazily, Tags: lazily, PerformerCard: lazily },
  utils: { NavUtils: { makeSceneUrl: (id) => `/scenes/${id}` }, StashService, loadComponents, InteractiveUtils: {} },
  hooks: { useLoadComponents, useToast, useSettings },
  patch: { before, instead, after },
};

class ErrorBoundary extends React.Component {
  constructor(props) { super(props); this.state = { error: null }; }
  static getDerivedStateFromError(error) { return { error }; }
  render() {
    if (!this.state.error) return this.props.children;
    return <div className="error-boundary"><h2>Something went wrong.</h2><details><pre>{String(this.state.error)}</pre></details></div>;
  }
}

// The scripts and styles of the plugins that are switched on; one that fails counts as loaded.
function PluginsLoader({ children }) {
  const { data, error } = GQL.usePluginsQuery();
  const [ready, setReady] = useState(false);
  useEffect(() => {
    if (!data) return;
    const found = (data.plugins || []).filter((plugin) => plugin.enabled);
    for (const href of found.flatMap((plugin) => plugin.paths.css || [])) {
      const link = document.createElement("link");
      Object.assign(link, { rel: "stylesheet", href });
      document.head.appendChild(link);
    }
    const scripts = found.flatMap((plugin) => plugin.paths.javascript || []);
    Promise.all(scripts.map((src) => new Promise((done) => {
      const script = document.createElement("script");
      Object.assign(script, { src, defer: true, async: false, onload: done, onerror: done });
      document.head.appendChild(script);
    }))).then(() => setReady(true));
  }, [data]);
  if (error) return <div>Cannot reach Stash: {error.message}</div>;
  return ready ? children : <LoadingIndicator message="Loading plugins..." />;
}

function Located() {
  const location = useLocation();
  useEffect(() => { events.dispatchEvent(new CustomEvent("stash:location", { detail: { data: { location } } })); }, [location]);
  return null;
}

const Home = () => <div className="recommendations-container"><h1 className="h4">Recently Released Scenes</h1><Link to="/scenes">View all</Link></div>;

const App = component("App", () => (
  <div>
    <MainNavbar />
    <Located />
    <div className="main container-fluid">
      <ErrorBoundary>
        <Suspense fallback={<LoadingIndicator />}>
          <Switch>
            <Route exact path="/" component={Home} />
            <Route exact path="/scenes" component={Scenes} />
            <Route path="/scenes/:id" component={SceneLoader} />
            <Route path="/settings" component={Settings} />
            <PluginRoutes />
          </Switch>
        </Suspense>
      </ErrorBoundary>
    </div>
  </div>
));

const base = new URL(document.baseURI).pathname.replace(/\/$/, "");

ReactDOM.render(
  <Apollo.ApolloProvider client={getClient()}>
    <Intl.IntlProvider locale="en-US" messages={{}} onError={() => {}}>
      <ToastProvider>
        <BrowserRouter basename={base}>
          <PluginsLoader><App /></PluginsLoader>
        </BrowserRouter>
      </ToastProvider>
    </Intl.IntlProvider>
  </Apollo.ApolloProvider>,
  document.getElementById("root"),
);

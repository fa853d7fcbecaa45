"""Stash from the outside: its GraphQL, as its own pages use it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.e2e.waiting import StepError, until

PLUGIN = "PlexSync"

#: No proxy of the environment's: the servers are on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_ENDED = ("FINISHED", "CANCELLED", "FAILED")


class Stash:
    """A Stash at an address, without a login."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of an answer. Raise ``StepError`` for errors in it, ``OSError`` without one."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        try:
            with _OPENER.open(request, timeout=120) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            raise StepError(f"Stash answered {error.code}: {error.read(500).decode('utf-8', 'replace')}") from error
        if answer.get("errors"):
            raise StepError(f"Stash refused: {answer['errors'][0]['message']}")
        found: dict[str, Any] = answer["data"]
        return found

    # -- a new Stash

    def begin(self, films: str) -> str:
        """Wait for Stash, go through its wizard if it is new, give it the folder of films; return its version."""
        until(self._lives, "an answer of Stash")
        if self.ask("{systemStatus{status}}")["systemStatus"]["status"] == "SETUP":
            places = dict.fromkeys(
                ("configLocation", "databaseFile", "generatedLocation", "cacheLocation", "blobsLocation"), ""
            )
            wanted = {**places, "storeBlobsInDatabase": True, "stashes": [_library(films)]}
            self.ask("mutation($input:SetupInput!){setup(input:$input)}", input=wanted)
        else:
            self._configure(stashes=[*self._configured()["stashes"], _library(films)])
        return str(self.ask("{version{version}}")["version"]["version"])

    def _lives(self) -> bool:
        try:
            return bool(self.ask("{systemStatus{status}}"))
        except OSError:
            return False

    def _configured(self) -> dict[str, Any]:
        lists = "stashes{path excludeVideo excludeImage} pluginPackageSources{name url local_path}"
        query = f"{{configuration{{general{{{lists}}}}}}}"
        found: dict[str, Any] = self.ask(query)["configuration"]["general"]
        return found

    def _configure(self, **values: Any) -> None:
        self.ask("mutation($input:ConfigGeneralInput!){configureGeneral(input:$input){apiKey}}", input=values)

    def job(self, number: str) -> None:
        """Wait for a job's end: Stash forgets one some time after it."""

        def ended() -> bool:
            query = "query($id:ID!){findJob(input:{id:$id}){status}}"
            found = self.ask(query, id=number)["findJob"]
            return found is None or found["status"] in _ENDED

        until(ended, f"the end of Stash's job {number}")

    # -- films

    def scan(self, folder: str) -> None:
        """Scan a folder."""
        wanted = {"paths": [folder], "scanGenerateCovers": True}
        query = "mutation($input:ScanMetadataInput!){metadataScan(input:$input)}"
        self.job(self.ask(query, input=wanted)["metadataScan"])

    def scene(self, path: str) -> str:
        """Return the id of the scene that has this file."""
        query = """query($path:String!){findScenes(scene_filter:{path:{value:$path,modifier:EQUALS}}){scenes{id}}}"""
        scenes = self.ask(query, path=path)["findScenes"]["scenes"]
        if len(scenes) != 1:
            raise StepError(f"Stash has {len(scenes)} scenes with the file, and one is needed.")
        return str(scenes[0]["id"])

    def make(self, kind: str, name: str) -> str:
        """Make a performer, studio or tag; return its id."""
        word = kind.title()
        query = f"mutation($input:{word}CreateInput!){{{kind}Create(input:$input){{id}}}}"
        return str(self.ask(query, input={"name": name})[f"{kind}Create"]["id"])

    def save(self, scene: str, **values: Any) -> None:
        """Save a scene, as its edit page does."""
        query = "mutation($input:SceneUpdateInput!){sceneUpdate(input:$input){id}}"
        self.ask(query, input={"id": scene, **values})

    # -- the plugin

    def add_source(self, url: str) -> str:
        """Add a source of packages; return the version that it offers."""
        sources = self._configured()["pluginPackageSources"]
        self._configure(pluginPackageSources=[*sources, {"name": "end to end", "url": url, "local_path": ""}])
        query = "query($url:String!){availablePackages(type:Plugin,source:$url){package_id version}}"
        offered = {one["package_id"]: one["version"] for one in self.ask(query, url=url)["availablePackages"]}
        if list(offered) != [PLUGIN]:
            raise StepError(f"The source offers {sorted(offered)}.")
        return str(offered[PLUGIN])

    def install(self, url: str) -> None:
        """Install the plugin from a source."""
        self._package("install", url)
        if not self.plugin():
            raise StepError("Stash does not list the plugin as installed and enabled.")

    def uninstall(self, url: str) -> None:
        """Uninstall it."""
        self._package("uninstall", url)
        if self.plugin():
            raise StepError("Stash still lists the plugin.")

    def _package(self, verb: str, url: str) -> None:
        query = f"mutation($all:[PackageSpecInput!]!){{{verb}Packages(type:Plugin,packages:$all)}}"
        self.job(self.ask(query, all=[{"id": PLUGIN, "sourceURL": url}])[f"{verb}Packages"])

    def plugin(self) -> bool:
        """Return whether Stash has loaded the plugin, and it is switched on."""
        plugins = self.ask("{plugins{id enabled}}")["plugins"] or []  # null where there is none
        return any(one["id"] == PLUGIN and one["enabled"] for one in plugins)

    def settings(self) -> dict[str, Any]:
        """Return the plugin's settings as Stash keeps them."""
        query = "query($ids:[ID!]){configuration{plugins(include:$ids)}}"
        found: dict[str, Any] = self.ask(query, ids=[PLUGIN])["configuration"]["plugins"].get(PLUGIN, {})
        return found

    def set(self, **settings: Any) -> None:
        """Save the plugin's settings."""
        query = "mutation($id:ID!,$input:Map!){configurePlugin(plugin_id:$id,input:$input)}"
        self.ask(query, id=PLUGIN, input=settings)

    def call(self, mode: str, **args: Any) -> Any:
        """Return what an operation of the plugin answers."""
        query = "mutation($id:ID!,$args:Map){runPluginOperation(plugin_id:$id,args:$args)}"
        return self.ask(query, id=PLUGIN, args={"mode": mode, **args})["runPluginOperation"]

    def task(self, name: str) -> None:
        """Run a task of the plugin to its end."""
        query = "mutation($id:ID!,$name:String){runPluginTask(plugin_id:$id,task_name:$name)}"
        self.job(self.ask(query, id=PLUGIN, name=name)["runPluginTask"])

    def log(self) -> list[str]:
        """Return what Stash's log says of late, the newest first; nothing where it is not told."""
        try:
            return [f"{one['level']}: {one['message']}" for one in self.ask("{logs{level message}}")["logs"]]
        except (StepError, OSError):
            return []


def _library(folder: str) -> dict[str, Any]:
    return {"path": folder, "excludeVideo": False, "excludeImage": True}

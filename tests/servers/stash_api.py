"""The resolvers of the Stash test server: what each GraphQL field answers.

Owns the way from the store to the schema's fields. Must not know HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.servers.graphql import GraphQLSyntaxError
from tests.servers.graphql_run import Resolver, ResolverError, Schema, ValidationError, prepare
from tests.servers.stash_filter import Filters, page, searched
from tests.servers.stash_jobs import Task
from tests.servers.stash_manage import package_row
from tests.servers.stash_model import Entity, Scene, VideoFile
from tests.servers.stash_schema import introspection, load

if TYPE_CHECKING:
    from tests.servers.stash import StashServer

Args = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request under way: the server, whether its client has left, and Stash's address as the client wrote it."""

    server: StashServer
    gone: Callable[[], bool]
    base: str


class Api:
    """Answers GraphQL request bodies for one server."""

    def __init__(self, server: StashServer) -> None:
        self.server = server
        self.types = load()
        self.filters = Filters(server.store)
        self.schema = Schema(self.types, self._resolvers())
        self._introspection: Args | None = None

    def answer(self, body: Args, gone: Callable[[], bool], base: str) -> tuple[int, Args]:
        """(HTTP status, response body)."""
        enforce = self.server.modes.enforce_schema
        try:
            name = body.get("operationName")
            request = prepare(
                self.schema, str(body.get("query") or ""), body.get("variables") or {}, name, enforce=enforce
            )
        except (GraphQLSyntaxError, ValidationError) as error:
            code = "GRAPHQL_VALIDATION_FAILED" if isinstance(error, ValidationError) else "GRAPHQL_PARSE_FAILED"
            return 422, {"errors": [{"message": str(error), "extensions": {"code": code}}], "data": None}
        return 200, request.run(Call(self.server, gone, base))

    def _resolvers(self) -> dict[tuple[str, str], Resolver]:
        found: dict[tuple[str, str], Resolver] = {
            ("Query", "findScene"): lambda call, args: self._one_scene(args),
            ("Query", "findScenes"): lambda call, args: self._find_scenes(args),
            ("Query", "findFiles"): lambda call, args: self._find_files(args),
            ("Query", "configuration"): lambda call, args: self._configuration(),
            ("Query", "version"): lambda call, args: self.server.version,
            ("Query", "systemStatus"): lambda call, args: self._status(),
            ("Query", "plugins"): lambda call, args: self.server.plugins(call.base) or None,
            ("Query", "availablePackages"): lambda call, args: [
                package_row(args["source"], one) for one in self.server.management.available(args["source"])
            ],
            ("Query", "jobQueue"): lambda call, args: [_job(one) for one in self.server.jobs.pending()] or None,
            ("Query", "findJob"): lambda call, args: _found_job(self.server.jobs.find(int(args["input"]["id"]))),
            ("Query", "__schema"): lambda call, args: self._described(),
            ("Query", "__type"): lambda call, args: self._one_type(args["name"]),
            ("ConfigResult", "plugins"): lambda _, args: self.server.saved_settings(args.get("include")),
        }
        for kind in ("performer", "studio", "tag"):
            found |= self._entity_resolvers(kind)
        return found | self._scene_resolvers() | self._mutations() | self._managing()

    def _scene_resolvers(self) -> dict[tuple[str, str], Resolver]:
        store = self.server.store
        never = "1970-01-01T00:00:00Z"
        return {
            ("Scene", "studio"): lambda scene, args: store.studios.get(scene.studio),
            ("Scene", "performers"): lambda scene, args: _rows(store.performers, scene.performers, lambda row: row.id),
            ("Scene", "tags"): lambda scene, args: _rows(store.tags, scene.tags, lambda row: row.name),
            ("Scene", "date"): lambda scene, args: scene.date or None,
            ("Scene", "paths"): lambda scene, args: self._paths(scene),
            ("Scene", "stash_ids"): lambda scene, args: [
                {"endpoint": endpoint, "stash_id": one, "updated_at": never} for endpoint, one in scene.stash_ids
            ],
            ("VideoFile", "fingerprints"): lambda file, args: [{"type": "oshash", "value": file.oshash}],
            ("VideoFile", "fingerprint"): lambda file, args: file.oshash if args["type"] == "oshash" else None,
            ("FindScenesResultType", "duration"): lambda found, args: sum(one.duration for one in _files(found)),
            ("FindFilesResultType", "size"): lambda found, args: sum(one.size for one in found["files"]),
            ("FindFilesResultType", "duration"): lambda found, args: sum(one.duration for one in found["files"]),
            ("FindScenesResultType", "filesize"): lambda found, args: float(sum(one.size for one in _files(found))),
        }

    def _entity_resolvers(self, kind: str) -> dict[tuple[str, str], Resolver]:
        title = kind.title()
        table = self.server.store.table(kind)
        empty: Resolver = lambda row, args: []  # noqa: E731 - one shared stand-in for lists that tests never fill
        found: dict[tuple[str, str], Resolver] = {
            ("Query", f"find{title}"): lambda call, args: table.get(_number(args["id"])),
            ("Query", f"find{title}s"): lambda call, args: self._find_entities(kind, args),
            ("Mutation", f"{kind}Create"): lambda call, args: self._create(kind, args["input"]["name"]),
            (title, "image_path"): lambda row, args: f"{self.server.url}/{kind}/{row.id}/image?default=true",
            (title, "favorite"): lambda row, args: False,
        }
        return found | {(title, name): empty for name in ("aliases", "alias_list", "urls", "stash_ids")}

    def _mutations(self) -> dict[tuple[str, str], Resolver]:
        server = self.server
        return {
            ("Mutation", "sceneUpdate"): lambda call, args: self._saved(
                [args["input"]["id"]], lambda: server.save_input(args["input"], call.gone)
            ),
            ("Mutation", "scenesUpdate"): lambda call, args: self._saved(
                [one["id"] for one in args["input"]], lambda: server.save_inputs(args["input"], call.gone)
            ),
            ("Mutation", "bulkSceneUpdate"): lambda call, args: self._saved(
                args["input"].get("ids") or (), lambda: server.save_bulk(args["input"], call.gone)
            ),
            ("Mutation", "configurePlugin"): lambda call, args: server.save_settings(args["plugin_id"], args["input"]),
            ("Mutation", "runPluginOperation"): lambda call, args: self._operation(args, call.gone),
            ("Mutation", "runPluginTask"): lambda call, args: (
                server.queue_task(
                    args["plugin_id"], args.get("task_name"), args.get("args_map"), args.get("description")
                ).id
            ),
            ("Mutation", "stopJob"): lambda call, args: self._stop_job(_number(args["job_id"])),
        }

    def _managing(self) -> dict[tuple[str, str], Resolver]:
        """What is changed on the settings pages; each job of it has ended when its number is told."""
        server, management = self.server, self.server.management

        def ran(description: str, work: Callable[[], object]) -> int:
            return server.jobs.ran(description, server.store.stamp(), work).id

        def each(args: Args, work: Callable[[str, str], object]) -> None:
            for one in args["packages"]:
                work(one["sourceURL"], one["id"])

        return {
            ("Mutation", "configureGeneral"): lambda call, args: self._configured(args["input"]),
            ("Mutation", "metadataScan"): lambda call, args: ran(
                "Scanning...", lambda: management.scan(args["input"].get("paths") or [])
            ),
            ("Mutation", "installPackages"): lambda call, args: ran(
                "Installing packages...", lambda: each(args, management.install)
            ),
            ("Mutation", "uninstallPackages"): lambda call, args: ran(
                "Uninstalling packages...", lambda: each(args, lambda _source, _id: management.uninstall())
            ),
        }

    def _configured(self, given: Args) -> Args:
        self.server.management.configure(given)
        general: Args = self._configuration()["general"]
        return general

    def _one_scene(self, args: Args) -> Scene | None:
        if args.get("id") is None:
            return None
        found = self.server.store.scenes.get(_number(args["id"]))
        return None if found is None else self._readable([found])[0]

    def _find_scenes(self, args: Args) -> Args:
        ids = args.get("ids") or args.get("scene_ids")
        if ids:
            return _listing("scenes", self._readable(_by_ids("scene", self.server.store.scenes, ids)))
        rows = list(self.server.store.scenes.values())
        test = self.filters.scene(args.get("scene_filter") or {})
        found = _paged("scenes", rows, test, args.get("filter"))
        self._readable(found["scenes"])
        return found

    def _find_files(self, args: Args) -> Args:
        if args.get("ids") or args.get("file_filter"):
            raise ResolverError("the test server lists files without a filter only")
        rows = sorted(
            (one for scene in self.server.store.scenes.values() for one in scene.files), key=lambda one: one.id
        )
        return _paged("files", rows, None, args.get("filter"))

    def _readable(self, scenes: list[Scene]) -> list[Scene]:
        """``scenes``, unless the database refuses one of them."""
        if not self.server.broken.isdisjoint(one.id for one in scenes):
            raise ResolverError("sql: Scan error on column index 3: converting NULL to string is unsupported")
        return scenes

    def _find_entities(self, kind: str, args: Args) -> Args:
        table = self.server.store.table(kind)
        ids = args.get("ids") or args.get(f"{kind}_ids")
        if ids:
            return _listing(kind + "s", _by_ids(kind, table, ids))
        test = self.filters.entity(kind, args.get(f"{kind}_filter") or {})
        return _paged(kind + "s", list(table.values()), test, args.get("filter"))

    def _saved(self, ids: Any, save: Callable[[], Any]) -> Any:
        for one in ids:
            if _number(one) not in self.server.store.scenes:
                raise ResolverError(f"scene with id {one} not found")
        return save()

    def _create(self, kind: str, name: str) -> Entity:
        table = self.server.store.table(kind)
        if not name.strip():
            raise ResolverError(f"{kind} name must not be blank")
        if any(row.name.lower() == name.lower() for row in table.values()):
            raise ResolverError(f"{kind} with name '{name}' already exists")
        return table[self.server.store.add_entity(kind, name)]

    def _operation(self, args: Args, gone: Callable[[], bool]) -> Any:
        server = self.server
        if args["plugin_id"] != server.plugin_id or server.plugin_script is None:
            raise ResolverError(
                "Internal system error. Error <runtime error: invalid memory address or nil pointer dereference>"
            )
        if not server.plugin_enabled:
            raise ResolverError(f"plugin {server.plugin_id} is disabled")
        given = args.get("args") or {}
        if (canned := server.canned.get(given.get("mode", ""))) is not None:
            return canned(given)
        result = server.run_operation(given, timeout=None, gone=gone)
        if result.error is not None:
            raise ResolverError(result.error)
        return result.output

    def _stop_job(self, number: int) -> bool:
        task = self.server.jobs.find(number)
        if task is not None:
            task.stop()
        return True

    def _paths(self, scene: Scene) -> Args:
        base = f"{self.server.url}/scene/{scene.id}"
        changed = int(datetime.fromisoformat(scene.updated_at).timestamp())
        return {"screenshot": f"{base}/screenshot?t={changed}", "stream": f"{base}/stream"}

    def _configuration(self) -> Args:
        server = self.server
        user = server.credentials[0] if server.credentials else ""
        general = {
            "apiKey": server.api_key, "username": user, "maxSessionAge": int(server.session_max_age),
            "logLevel": "Info", "pluginsPath": str(server.dir / "plugins"), "pythonPath": "",
            "stashes": [
                {"path": one, "excludeVideo": False, "excludeImage": True} for one in server.management.libraries
            ],
            "pluginPackageSources": server.management.sources,
            "configFilePath": str(server.dir / "config.yml"),
        }  # fmt: skip
        return {"general": general}

    def _status(self) -> Args:
        word = "SETUP" if self.server.modes.setup_needed else "OK"
        where = str(self.server.dir / "config.yml")
        return {
            "status": word,
            "appSchema": 75,
            "databaseSchema": 75,
            "os": "linux",
            "workingDir": "/",
            "configPath": where,
        }

    def forget(self, type_name: str, field: str) -> None:
        """Have a schema without that field."""
        del self.types[type_name].fields[field]
        self._introspection = None

    def _described(self) -> Args:
        if self._introspection is None:
            self._introspection = introspection(self.types)
        return self._introspection

    def _one_type(self, name: str) -> Args | None:
        return next((one for one in self._described()["types"] if one["name"] == name), None)


def _number(text: Any) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ResolverError(f'strconv.Atoi: parsing "{text}": invalid syntax') from error


def _rows(table: dict[int, Entity], ids: list[int], key: Callable[[Entity], Any]) -> list[Entity]:
    return sorted((table[one] for one in ids if one in table), key=key)


def _by_ids(kind: str, table: dict[int, Any], ids: list[Any]) -> list[Any]:
    """All of ``ids`` in their order: one that is missing or there twice fails the lot."""
    numbers = [_number(one) for one in ids]
    if len(set(numbers)) != len(numbers):
        raise ResolverError(f"duplicate id value: {next(one for one in numbers if numbers.count(one) > 1)}")
    for one in numbers:
        if one not in table:
            raise ResolverError(f"{kind} with id {one} not found")
    return [table[one] for one in numbers]


def _listing(name: str, rows: list[Any], count: int | None = None) -> Args:
    return {"count": len(rows) if count is None else count, name: rows}


def _paged(name: str, rows: list[Any], test: Callable[[Any], bool] | None, given: Args | None) -> Args:
    rows = searched(rows if test is None else [row for row in rows if test(row)], (given or {}).get("q"))
    return _listing(name, page(rows, given), len(rows))


def _files(found: Args) -> list[VideoFile]:
    return [scene.files[0] for scene in found["scenes"] if scene.files]


def _job(task: Task) -> Args:
    progress = task.progress[-1] if task.progress else None
    return {
        "id": task.id, "status": task.status, "description": task.description, "progress": progress,
        "addTime": task.added, "error": task.error, "subTasks": None,
    }  # fmt: skip


def _found_job(task: Task | None) -> Args | None:
    return None if task is None else _job(task)

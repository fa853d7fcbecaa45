"""Everything said to Stash, over stashapi: scenes, settings, covers, who else has a file. Knows nothing of Plex.

Every request has timeouts. Answers become frozen values; whatever goes wrong becomes ``StashUnavailable``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from stashapi.classes import GQLException
from stashapi.stashapp import StashInterface

from plexsync.errors import StashUnavailable
from plexsync.scene import Named, Scene, SceneFile, StashId

logging.getLogger("stashapi").setLevel(logging.CRITICAL)
urllib3.disable_warnings(
    urllib3.exceptions.InsecureRequestWarning
)  # Stash's own certificate is nearly always self-signed

#: Ids per page of a listing that asks for little.
PAGE = 1000

SCENE = (
    "{ id title details date organized updated_at urls studio { id name } performers { id name } tags { id name }"
    " stash_ids { endpoint stash_id } files { id path size duration } }"
)
_SETTINGS = 'configuration { plugins(include: ["PlexSync"]) }'


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach Stash: what the newest hook left in ``connection.json``, and the ApiKey, which lies in no file."""

    scheme: str = "http"
    host: str = "127.0.0.1"
    port: int = 9999
    cookie: str = ""
    api_key: str = ""

    @property
    def base(self) -> str:
        """``http://127.0.0.1:9999``"""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Connection({self.base})"


class _KeepOurCookie(DefaultCookiePolicy):
    """Stash refreshes its cookie in every answer; kept beside ours, the old one would be sent first."""

    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False


class _Adapter(HTTPAdapter):
    """Timeouts on every request, and a typed error for every answer that is not what was asked for."""

    def __init__(self, timeout: tuple[float | None, float | None], sent: Callable[[], None]) -> None:
        super().__init__()
        self._timeout = timeout
        self._sent = sent

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = self._timeout
        self._sent()
        response = super().send(request, *args, **kwargs)
        status, kind = response.status_code, response.headers.get("Content-Type", "")
        what = "a cover" if request.method == "GET" else "a question"
        if status in (401, 403) or (300 <= status < 400):
            raise StashUnavailable(f"Stash refused PlexSync's login for {what} (status {status})", refused=True)
        if status >= 500 or (status >= 400 and request.method == "GET"):
            raise StashUnavailable(f"Stash answered {what} with status {status}")
        if request.method == "POST" and "json" not in kind:
            raise StashUnavailable(f"Stash answered {what} with {kind or 'nothing'} instead of JSON")
        return response


class _Silent:
    """The logger that stashapi wants: its lines hold addresses and whole queries, ours say it in a sentence."""

    def _ignore(self, *_: object) -> None:
        return None

    trace = debug = info = warning = error = critical = progress = _ignore


class _Interface(StashInterface):  # type: ignore[misc]
    """stashapi with timeouts, errors that are raised, and no schema listing (we write our own fragments)."""

    RAISE_GQL_ERRORS = True

    def __init__(self, connection: Connection, prepare: Callable[[requests.Session], None]) -> None:
        self._prepare = prepare
        details: dict[str, Any] = {
            "Scheme": connection.scheme,
            "Host": connection.base.split("//")[1].rpartition(":")[0],
        }
        details |= {"Port": connection.port, "Logger": _Silent()}
        if connection.api_key:
            details["ApiKey"] = connection.api_key
        elif connection.cookie:
            details["SessionCookie"] = {"Value": connection.cookie}
        super().__init__(details, verify_ssl=False)

    def stash_version(self) -> Any:
        """The constructor's first call: the session gets its timeouts before anything is sent."""
        self._prepare(self.s)
        return super().stash_version()

    def _get_fragments_introspection(self, *_: Any, **__: Any) -> dict[str, str]:
        return {}


class Stash:
    """One connection to Stash. Built lazily: the first question pays for stashapi's constructor."""

    def __init__(self, connection: Connection, connect_timeout: float, read_timeout: float) -> None:
        self.connection = connection
        self.requests = 0
        self._timeout = (connect_timeout or None, read_timeout or None)
        self._interface: _Interface | None = None

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of a GraphQL answer.

        Raises ``StashUnavailable``, and ``StashRefused`` where Stash answered with an error in ``errors``.
        """
        try:
            if self._interface is None:
                self._interface = _Interface(self.connection, self._prepare)
            return dict(self._interface.call_GQL(query, dict(variables or {})))
        except GQLException as error:
            if "database is locked" in str(error):
                raise StashUnavailable("Stash's database is busy") from None
            raise StashRefused(f"Stash refused a question: {str(error)[:300]}") from None
        except requests.RequestException as error:
            raise StashUnavailable(f"Stash does not answer at {self.connection.base}: {_kind(error)}") from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise StashUnavailable(f"Stash at {self.connection.base} answered what PlexSync cannot read") from None

    def _prepare(self, session: requests.Session) -> None:
        session.trust_env = False
        session.cookies.set_policy(_KeepOurCookie())
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self._timeout, self._sent))

    def _sent(self) -> None:
        self.requests += 1

    def settings(self) -> Mapping[str, Any]:
        """What the user saved for PlexSync; ``{}`` if nothing."""
        return _plugin_settings(self.ask(f"query {{ {_SETTINGS} }}"))

    def api_key(self) -> str:
        """Stash's ApiKey, ``""`` if it has none."""
        data = self.ask("query { configuration { general { apiKey } } }")
        return str(data["configuration"]["general"].get("apiKey") or "")

    def batch(self, ids: Collection[int]) -> tuple[Mapping[str, Any], dict[int, Scene]]:
        """The settings and the scenes ``ids`` in one request; a scene that Stash no longer has is absent.

        One missing id fails Stash's list query whole, so the batch is then asked scene by scene, in one request again.
        """
        wanted = sorted(set(ids))
        try:
            data = self.ask(
                f"query($ids: [ID!]) {{ {_SETTINGS} findScenes(ids: $ids) {{ scenes {SCENE} }} }}",
                {"ids": [str(one) for one in wanted]},
            )
            found = data["findScenes"]["scenes"]
        except StashRefused:
            fields = " ".join(f's{one}: findScene(id: "{one}") {SCENE}' for one in wanted)
            data = self.ask(f"query {{ {_SETTINGS} {fields} }}")
            found = [data.get(f"s{one}") for one in wanted]
        scenes = [read_scene(raw) for raw in found if raw]
        return _plugin_settings(data), {scene.id: scene for scene in scenes}

    def pages(
        self, scene_filter: Mapping[str, Any], fields: str, per_page: int = PAGE
    ) -> Iterator[list[dict[str, Any]]]:
        """Scenes that match ``scene_filter`` page by page, by id; ``fields`` is a selection such as ``{ id }``."""
        query = (
            "query($filter: FindFilterType, $scenes: SceneFilterType) {"
            f" findScenes(filter: $filter, scene_filter: $scenes) {{ count scenes {fields} }} }}"
        )
        yield from self._pages("findScenes", "scenes", query, {"scenes": dict(scene_filter)}, per_page)

    def ids(self, scene_filter: Mapping[str, Any]) -> Iterator[list[int]]:
        """The ids of the scenes that match, page by page."""
        for page in self.pages(scene_filter, "{ id }"):
            yield [int(raw["id"]) for raw in page]

    def names(self, kind: str, fields: str = "{ id name updated_at }") -> Iterator[list[dict[str, Any]]]:
        """All performers, studios or tags (``kind``), page by page."""
        root = f"find{kind.capitalize()}s"
        query = f"query($filter: FindFilterType) {{ {root}(filter: $filter) {{ count {kind}s {fields} }} }}"
        yield from self._pages(root, f"{kind}s", query, {}, PAGE)

    def _pages(
        self, root: str, member: str, query: str, variables: dict[str, Any], per_page: int
    ) -> Iterator[list[dict[str, Any]]]:
        page, seen = 1, 0
        while True:
            sort = "id" if root == "findScenes" else "name"  # names cannot be sorted by id
            variables["filter"] = {"page": page, "per_page": per_page, "sort": sort, "direction": "ASC"}
            found = self.ask(query, variables)[root]
            rows = list(found[member])
            if rows:
                yield rows
            seen += len(rows)
            if not rows or seen >= int(found.get("count") or 0):
                return
            page += 1

    def latest_update(self, root: str = "findScenes", member: str = "scenes") -> str:
        """The newest ``updated_at`` as Stash spells it (its own zone), ``""`` when there is none."""
        query = f"query($filter: FindFilterType) {{ {root}(filter: $filter) {{ {member} {{ updated_at }} }} }}"
        order = {"page": 1, "per_page": 1, "sort": "updated_at", "direction": "DESC"}
        rows = self.ask(query, {"filter": order})[root][member]
        return str(rows[0]["updated_at"]) if rows else ""

    def files_named(self, names: Collection[str]) -> list[tuple[int, SceneFile]]:
        """Every (scene id, file) whose base name is one of ``names`` (any letter case), in one request."""
        if not names:
            return []
        pattern = r"(?i)[/\\](" + "|".join(sorted(_literal(name) for name in names)) + ")$"
        query = (
            "query($filter: FindFilterType, $scenes: SceneFilterType) {"
            " findScenes(filter: $filter, scene_filter: $scenes) { scenes { id files { id path size duration } } } }"
        )
        condition = {"path": {"value": pattern, "modifier": "MATCHES_REGEX"}}
        data = self.ask(query, {"filter": {"per_page": -1}, "scenes": condition})
        return [(int(raw["id"]), one) for raw in data["findScenes"]["scenes"] for one in _files(raw)]

    def cover(self, scene_id: int) -> tuple[bytes, str]:
        """The cover's bytes and content type. No redirect is followed: it would be the login page."""
        url = f"{self.connection.base}/scene/{scene_id}/screenshot"
        headers = {"ApiKey": self.connection.api_key} if self.connection.api_key else {}
        if self.connection.cookie and not headers:
            headers["Cookie"] = f"session={self.connection.cookie}"
        with requests.Session() as session:
            self._prepare(session)
            session.verify = False
            try:
                answer = session.get(url, headers=headers, allow_redirects=False)
            except requests.RequestException as error:
                raise StashUnavailable(f"Stash did not send the cover of scene {scene_id}: {_kind(error)}") from None
        return answer.content, answer.headers.get("Content-Type", "")

    def tell(self, lines: Sequence[Mapping[str, str]]) -> None:
        """Show ``lines`` in Stash's log, through the plugin's own ``log`` operation."""
        query = 'mutation($args: Map) { runPluginOperation(plugin_id: "PlexSync", args: $args) }'
        self.ask(query, {"args": {"mode": "log", "lines": list(lines)}})

    def close(self) -> None:
        """Close the connections."""
        if self._interface is not None:
            self._interface.s.close()


class StashRefused(StashUnavailable):
    """Stash answered, with an error in ``errors``."""


def read_scene(raw: Mapping[str, Any]) -> Scene:
    """A ``Scene`` from GraphQL's answer; absent and null mean empty."""
    return Scene(
        id=int(raw["id"]),
        title=raw.get("title") or "",
        details=raw.get("details") or "",
        date=raw.get("date") or "",
        studio=_named(raw.get("studio")),
        performers=tuple(one for one in map(_named, raw.get("performers") or ()) if one),
        tags=tuple(one for one in map(_named, raw.get("tags") or ()) if one),
        organized=bool(raw.get("organized")),
        updated_at=raw.get("updated_at") or "",
        files=tuple(_files(raw)),
        urls=tuple(raw.get("urls") or ()),
        stash_ids=tuple(StashId(s.get("endpoint") or "", s.get("stash_id") or "") for s in raw.get("stash_ids") or ()),
    )


def _named(raw: Mapping[str, Any] | None) -> Named | None:
    return Named(int(raw["id"]), raw.get("name") or "") if raw else None


def _files(raw: Mapping[str, Any]) -> Iterable[SceneFile]:
    for one in raw.get("files") or ():
        if one and one.get("path"):
            size, duration = int(one.get("size") or 0), float(one.get("duration") or 0)
            yield SceneFile(int(one.get("id") or 0), one["path"], size, duration)


def _plugin_settings(data: Mapping[str, Any]) -> Mapping[str, Any]:
    plugins = (data.get("configuration") or {}).get("plugins") or {}
    saved = plugins.get("PlexSync") if isinstance(plugins, dict) else None
    return saved if isinstance(saved, dict) else {}


_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def _literal(name: str) -> str:
    """``name`` as a pattern for Go's RE2 (``re.escape`` writes escapes that it refuses)."""
    return "".join("\\" + c if c in _SPECIAL else c for c in name)


def _kind(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate could not be used"
    return "the connection failed" if isinstance(error, requests.ConnectionError) else type(error).__name__

"""The Stash test server keeps its word: driven by the real stashapi, by requests, and by a tiny plugin process."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from stashapi.stashapp import StashInterface

from tests.servers.stash import StashServer
from tests.servers.stash_hooks import LogLine, parse_log_line, parse_result
from tests.servers.stash_jobs import await_status

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
STUB = """
import json, os, subprocess, sys, time
event = json.load(sys.stdin)
args = event["args"]
mode = args.get("mode") or os.environ.get("STUB_MODE", "echo")
if mode == "sleep":
    time.sleep(60)
if mode == "fail":
    print(json.dumps({"error": "no"})); sys.exit(3)
if mode == "hold":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"])
if mode == "detach":
    null = subprocess.DEVNULL
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"], stdin=null, stdout=null, stderr=null)
sys.stderr.write("\\x01i\\x02 hello\\nplain\\n\\x01p\\x020.5\\n")
print(json.dumps({"output": {"event": event, "path": os.environ["PYTHONPATH"], "cwd": os.getcwd()}}))
"""


@pytest.fixture
def stash(tmp_path: Path) -> Iterator[StashServer]:
    """A server whose plugin is the stub above and whose clock stands at noon."""
    script = tmp_path / "plugins" / "PlexSync" / "PlexSync.py"
    script.parent.mkdir(parents=True)
    script.write_text(STUB, encoding="utf-8")
    with StashServer(tmp_path / "stash", script) as server:
        server.now = lambda: NOON
        yield server


def ask(stash: StashServer, query: str, headers: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
    """The response body of one query."""
    body = {"query": query, "variables": variables}
    answer: dict[str, Any] = requests.post(stash.url + "/graphql", json=body, headers=headers, timeout=60).json()
    return answer


def found(stash: StashServer, scene_filter: dict[str, Any], **page: Any) -> list[str]:
    """The ids that a filter selects."""
    query = (
        "query($s: SceneFilterType, $f: FindFilterType) { findScenes(scene_filter: $s, filter: $f) { scenes { id } } }"
    )
    answer = ask(stash, query, s=scene_filter, f={"per_page": -1, **page})
    assert "errors" not in answer, answer
    return [scene["id"] for scene in answer["data"]["findScenes"]["scenes"]]


def connect(stash: StashServer, **more: Any) -> Any:
    """A real StashInterface on the server."""
    where = {"Scheme": "http", "Host": "127.0.0.1", "Port": stash.port, "SessionCookie": {"Value": stash.new_cookie()}}
    return StashInterface({**where, **more})


def test_stashapi_connects_reads_and_writes(stash: StashServer) -> None:
    """The real client's constructor, its introspection and call_GQL work against this server."""
    number = stash.add_scene("A", files=[("/d/a.mp4", 7, 1.5)], studio=stash.add_studio("S"))
    client = connect(stash)
    read = client.call_GQL(
        "query($id: ID!) { findScene(id: $id) { ...Short } }"
        " fragment Short on Scene { title studio { name } files { size } }",
        {"id": number},
    )
    assert read == {"findScene": {"title": "A", "studio": {"name": "S"}, "files": [{"size": 7}]}}
    client.call_GQL("mutation($i: TagCreateInput!) { tagCreate(input: $i) { id } }", {"i": {"name": "T"}})
    assert [row.name for row in stash.tags.values()] == ["T"]
    assert client.get_configuration()["plugins"] == {}
    assert client.job_queue() is None


@pytest.mark.parametrize(
    "query",
    [
        "{ findScene(id: 1) { nonsense } }",
        "{ findScene(number: 1) { id } }",
        "{ findScene(id: 1) }",
        "query($a: Int) { version { hash } }",
        "query($a: Nope) { findScene(id: $a) { id } }",
        "query($a: Int) { findScene(id: $a) { id } }",
        "{ findScenes(scene_filter: {nope: 1}) { count } }",
        "{ findScenes(filter: {direction: \"ASC\"}) { count } }",
        "{ findScene(id: 1) { ...Gone } }",
        "mutation { tagCreate(input: {}) { id } }",
        "{ version { hash }",
    ],
)  # fmt: skip
def test_what_the_schema_does_not_know_is_422(stash: StashServer, query: str) -> None:
    """A wrong name, type or argument is refused with status 422 and an error, as Stash refuses it."""
    answer = requests.post(stash.url + "/graphql", json={"query": query}, timeout=60)
    assert (answer.status_code, answer.json()["data"]) == (422, None)
    assert answer.json()["errors"][0]["message"]


def test_enforcement_can_be_switched_off(stash: StashServer) -> None:
    """Without enforcement an unknown field is null."""
    stash.modes.enforce_schema = False
    stash.add_scene()
    assert ask(stash, "{ findScene(id: 1) { id nonsense } }")["data"] == {"findScene": {"id": "1", "nonsense": None}}


def test_aliases_fragments_directives_and_defaults(stash: StashServer) -> None:
    """Several aliased root fields, both kinds of fragments, directives and default values work in one request."""
    stash.add_scene("A"), stash.add_scene("B")
    query = """query Q($n: ID = 2, $no: Boolean = false) {
      a: findScene(id: 1) { ...F ... on Scene { organized } }  # a comment
      b: findScene(id: $n) { __typename ...F date @include(if: $no) }
      none: findScene(id: 9) { id }
    } fragment F on Scene { title }"""
    assert ask(stash, query)["data"] == {
        "a": {"title": "A", "organized": False}, "b": {"__typename": "Scene", "title": "B"}, "none": None,
    }  # fmt: skip


@pytest.mark.parametrize("ids", [[1, 9], [1, 1]])
def test_one_bad_id_fails_the_whole_list(stash: StashServer, ids: list[int]) -> None:
    """A missing or repeated id makes findScenes answer 200 with an error and no data."""
    stash.add_scene()
    answer = ask(stash, "query($i: [ID!]) { findScenes(ids: $i) { scenes { id } } }", i=ids)
    assert answer["data"] is None
    assert "id" in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("criterion", "wanted"),
    [
        ({"value": "alpha beta", "modifier": "INCLUDES"}, ["1", "2", "3"]),
        ({"value": '"alpha beta"', "modifier": "INCLUDES"}, ["3"]),
        ({"value": "alpha", "modifier": "EXCLUDES"}, ["2", "4"]),
        ({"value": "/d/ALPHA.mp4", "modifier": "EQUALS"}, ["1"]),
        ({"value": "/d/g_m.mp4", "modifier": "EQUALS"}, ["4"]),
        ({"value": "/d/alpha.mp4", "modifier": "NOT_EQUALS"}, ["2", "3", "4"]),
        ({"value": "^/d/b", "modifier": "MATCHES_REGEX"}, ["2"]),
    ],
)
def test_path_filters_follow_like(stash: StashServer, criterion: dict[str, str], wanted: list[str]) -> None:
    """Unquoted words are OR-ed, quotes keep a text whole, case is ignored and an underscore matches anything."""
    for name in ("alpha", "beta", "alpha beta", "gum"):
        stash.add_scene(name, files=[(f"/d/{name}.mp4", 1, 1)])
    assert found(stash, {"path": criterion}) == wanted
    assert found(stash, {"files_filter": {"path": criterion}}) == wanted


def test_time_filters_compare_text(stash: StashServer) -> None:
    """A time in another zone is compared as text, and GREATER_THAN misses the rest of its own second."""
    stash.clock = timedelta(hours=2)
    stash.add_scene(updated_at=NOON)
    assert stash.scenes[1].updated_at == "2026-03-01T14:00:00+02:00"
    at = stash.scenes[1].updated_at
    assert found(stash, {"updated_at": {"value": "2026-03-01T13:00:00Z", "modifier": "GREATER_THAN"}}) == ["1"]
    assert found(stash, {"updated_at": {"value": at, "modifier": "GREATER_THAN"}}) == []
    assert found(stash, {"updated_at": {"value": at, "value2": at, "modifier": "BETWEEN"}}) == ["1"]


def test_relations_combine_and_page(stash: StashServer) -> None:
    """AND, OR, NOT, relations, related filters and missing covers select what they should; paging is exact."""
    performer, tag = stash.add_performer("P"), stash.add_tag("T")
    stash.add_scene("a", performers=[performer], organized=True, cover=b"x")
    stash.add_scene("b", tags=[tag], stash_ids=[("https://stashdb.org", "u")])
    stash.add_scene("c")
    both = {
        "performers": {"value": ["1"], "modifier": "INCLUDES"},
        "OR": {"tags": {"value": [1], "modifier": "INCLUDES"}},
    }
    assert found(stash, both) == ["1", "2"]
    assert found(stash, {"NOT": {"organized": True}}) == ["2", "3"]
    assert found(stash, {"is_missing": "cover", "AND": {"id": {"value": 2, "modifier": "GREATER_THAN"}}}) == ["3"]
    assert found(stash, {"stash_id_endpoint": {"endpoint": "https://stashdb.org", "modifier": "NOT_NULL"}}) == ["2"]
    assert found(stash, {"tags_filter": {"updated_at": {"value": "2026", "modifier": "GREATER_THAN"}}}) == ["2"]
    assert found(stash, {}, per_page=2, page=2, sort="title") == ["3"]
    assert found(stash, {}, per_page=0) == []
    assert found(stash, {}, sort="title", direction="DESC") == ["3", "2", "1"]


def test_hook_gets_the_document_that_stash_writes(stash: StashServer) -> None:
    """A save starts the plugin with the connection, null-filled input, field names and the sources on PYTHONPATH."""
    number = stash.add_scene()
    result = stash.update_scene(number, title="New & <b>")
    event, said = result.output["event"], result.output
    assert (result.error, result.returncode, said["cwd"]) == (None, 0, "/")
    assert said["path"].split(":")[-1].endswith("/plugins")
    assert list(event["server_connection"]) == ["Scheme", "Host", "Port", "SessionCookie", "Dir", "PluginDir"]
    context = event["args"]["hookContext"]
    assert (context["id"], context["inputFields"]) == (number, ["id", "title"])
    assert (context["input"]["title"], context["input"]["details"]) == ("New & <b>", None)
    assert stash.plugin_log == [("info", "hello"), ("warning", "plain"), ("progress", "0.5")]


def test_which_edits_fire_and_which_bump(stash: StashServer) -> None:
    """Renames and merges touch no scene, file moves only the file, and the silent edits start no process."""
    first, second = (
        stash.add_scene(files=[("/a", 1, 1)], tags=[stash.add_tag("x")]),
        stash.add_scene(files=[("/b", 1, 1)]),
    )
    performer, other = stash.add_performer("p"), stash.add_tag("y")
    before, stash.now = stash.scenes[first].updated_at, lambda: NOON + timedelta(hours=1)
    for result, kind in (
        (stash.update_performer(performer, "q"), "Performer.Update.Post"),
        (stash.merge_tags([1], other), "Tag.Merge.Post"),
        (stash.scan_rename(first, "/c"), "Scene.Update.Post"),
        (stash.destroy_performer(performer), "Performer.Destroy.Post"),
    ):
        assert result.output["event"]["args"]["hookContext"]["type"] == kind
    assert (stash.scenes[first].tags, stash.scenes[first].updated_at) == ([other], before)
    assert stash.scenes[first].files[0].updated_at > before
    started = len(stash.plugin_log)
    stash.merge_scenes(first, [second])
    stash.auto_tag(first, [other])
    stash.generate_cover(first, b"x")
    assert (len(stash.plugin_log), list(stash.scenes)) == (started, [first])
    assert stash.scenes[first].updated_at > before


def test_a_clients_bulk_edit_fires_per_scene(stash: StashServer) -> None:
    """bulkSceneUpdate adds a tag and runs one hook for each scene, told the bulk input."""
    ids, tag = [stash.add_scene() for _ in range(3)], stash.add_tag("t")
    query = "mutation($i: BulkSceneUpdateInput!) { bulkSceneUpdate(input: $i) { id tags { name } } }"
    answer = ask(stash, query, i={"ids": ids, "tag_ids": {"ids": [tag], "mode": "ADD"}})
    assert [scene["tags"] for scene in answer["data"]["bulkSceneUpdate"]] == [[{"name": "t"}]] * 3
    assert stash.plugin_log.count(LogLine("info", "hello")) == 3


def test_a_hook_is_killed_with_its_client(stash: StashServer) -> None:
    """kill_after ends the process by SIGKILL, and so does a client that hangs up; the edit stays saved."""
    stash.env["STUB_MODE"] = "sleep"
    number = stash.add_scene()
    result = stash.run_hook("Scene.Update.Post", number, kill_after=0.05)
    assert (result.killed, result.returncode) == (True, -9)
    query = 'mutation { sceneUpdate(input: {id: 1, title: "late"}) { id } }'
    with pytest.raises(requests.Timeout):
        requests.post(stash.url + "/graphql", json={"query": query}, timeout=1)
    until = time.monotonic() + 120
    while stash.scenes[number].title != "late" or stash.launcher.running[-1].process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert stash.launcher.running[-1].process.returncode == -9
    assert stash.scenes[number].title == "late"


@pytest.mark.parametrize(("mode", "waits"), [("hold", True), ("detach", False)])
def test_an_inherited_stdout_holds_the_save(stash: StashServer, mode: str, waits: bool) -> None:
    """The save lasts until stdout is closed by everyone, and no longer than that."""
    stash.env["STUB_MODE"] = mode
    result = stash.update_scene(stash.add_scene(), title="x")
    ended = stash.launcher.running[-1]
    assert result.error is None
    assert (ended.seconds >= 0.3) is waits or not waits


def test_tasks_share_one_lane(stash: StashServer) -> None:
    """Tasks run one after the other, report progress and log, and Stop kills the running one."""
    stash.tasks = {**stash.tasks, "Sleep": {"mode": "sleep"}}
    first, second = stash.start_task("Sleep"), stash.start_task("sync_recent")
    assert await_status(first, "RUNNING")
    assert second.status == "READY"
    first.stop()
    result = second.wait(20)
    assert first.wait().killed
    assert (result.progress, result.log) == ([0.5], [("info", "hello"), ("warning", "plain")])
    assert result.output["event"]["args"] == {"mode": "sync_recent", "hours": "24"}
    assert ask(stash, "{ findJob(input: {id: 1}) { status } }")["data"] == {"findJob": {"status": "CANCELLED"}}


def test_operations_answer_or_refuse(stash: StashServer) -> None:
    """runPluginOperation returns the plugin's output, or its sentence as a GraphQL error."""
    query = 'mutation($a: Map) { runPluginOperation(plugin_id: "PlexSync", args: $a) }'
    output = ask(stash, query, a={"mode": "status"})["data"]["runPluginOperation"]
    assert output["event"]["args"] == {"mode": "status"}
    refused = ask(stash, query, a={"mode": "fail"})
    assert (refused["data"], refused["errors"][0]["message"]) == ({"runPluginOperation": None}, "no")


@pytest.mark.parametrize(
    ("stdout", "status", "wanted"),
    [
        ('{"output": 1}', 0, (1, None)),
        ('{"Error": "x", "OUTPUT": 2}', 0, (2, "x")),
        ('{"error": ""}', 0, (None, "")),
        ("text", 0, ("text", None)),
        ("[1]", 0, ("[1]", None)),
        ("", 0, ("", None)),
        ("null", 0, (None, None)),
        ('{"a": 1}', 2, (None, "exit status 2")),
        ("", -9, ("", "signal: killed")),
    ],
)
def test_results_are_read_as_stash_reads_them(stdout: str, status: int, wanted: tuple[Any, str | None]) -> None:
    """Keys ignore case, an empty error is an error, and anything else is output as it stands."""
    assert parse_result(stdout, status) == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [(b"\x01e\x02 x ", ("error", "x")), (b"\x01z\x02x", ("warning", "\x01z\x02x")), (b"x", ("warning", "x"))],
)
def test_stderr_lines_carry_their_level(line: bytes, wanted: tuple[str, str]) -> None:
    """A tagged line has its own level, any other the manifest's."""
    assert parse_log_line(line) == wanted


def test_sign_in(stash: StashServer) -> None:
    """With credentials a cookie or the key is needed; a wrong key is refused even without; covers lead to the login."""
    stash.add_scene(cover=b"jpeg")
    assert "data" in ask(stash, "{ version { hash } }")
    url, post = stash.url, requests.post
    body = {"query": "{ version { hash } }"}
    assert post(url + "/graphql", json=body, headers={"ApiKey": "stale"}, timeout=60).status_code == 401
    stash.credentials, stash.api_key = ("u", "p"), "key"
    cookie = {"session": stash.new_cookie()}
    assert post(url + "/graphql", json=body, timeout=60).status_code == 401
    assert post(url + "/graphql", json=body, headers={"ApiKey": "key"}, timeout=60).status_code == 200
    assert "session" in post(url + "/graphql", json=body, cookies=cookie, timeout=60).cookies
    cover = requests.get(url + "/scene/1/screenshot", timeout=60)
    assert (cover.history[0].status_code, cover.status_code, cover.headers["Content-Type"]) == (302, 200, "text/html")
    stash.expire_sessions()
    assert post(url + "/graphql", json=body, cookies=cookie, timeout=60).status_code == 401


def test_cookies_age(stash: StashServer) -> None:
    """A cookie older than session_max_age is void."""
    stash.credentials, stash.session_max_age = ("u", "p"), 60
    headers = {"Cookie": f"session={stash.new_cookie()}"}
    assert "data" in ask(stash, "{ version { hash } }", headers)
    stash.now = lambda: NOON + timedelta(seconds=61)
    assert requests.post(stash.url + "/graphql", json={}, headers=headers, timeout=60).status_code == 401


def test_covers(stash: StashServer) -> None:
    """A cover is its bytes with its type and an ETag; a scene without one answers 200 with an SVG."""
    stash.add_scene(cover=b"png", cover_type="image/png"), stash.add_scene()
    cover = requests.get(stash.url + "/scene/1/screenshot", timeout=60)
    assert (cover.content, cover.headers["Content-Type"]) == (b"png", "image/png")
    again = requests.get(
        stash.url + "/scene/1/screenshot", headers={"If-None-Match": cover.headers["ETag"]}, timeout=60
    )
    assert again.status_code == 304
    assert requests.get(stash.url + "/scene/2/screenshot", timeout=60).headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize(("kind", "status"), [("status_500", 500), ("html", 200), ("redirect", 302)])
def test_faults_count_down(stash: StashServer, kind: str, status: int) -> None:
    """A fault strikes where its regex is found, as often as told, and then no more."""
    stash.fault(kind, count=1, operation="version")
    send = {"json": {"query": "{ version { hash } }"}, "timeout": 5, "allow_redirects": False}
    first = requests.post(stash.url + "/graphql", **send)  # type: ignore[arg-type]
    second = requests.post(stash.url + "/graphql", **send)  # type: ignore[arg-type]
    assert (first.status_code, "hash" in first.text, second.json()["data"] is None) == (status, False, False)
    assert stash.count("version") == 2


def test_locked_hanging_and_setup(stash: StashServer) -> None:
    """A locked database answers 200 with errors; a hanging server is silent until released; setup tells its status."""
    stash.modes.locked_database = 1
    assert ask(stash, "{ version { hash } }")["errors"][0]["message"] == "database is locked"
    stash.modes.setup_needed = True
    assert ask(stash, "{ version { hash } }")["data"] is None
    assert ask(stash, "{ systemStatus { status } }")["data"] == {"systemStatus": {"status": "SETUP"}}
    stash.modes.setup_needed, stash.modes.hang = False, True
    with pytest.raises(requests.Timeout):
        requests.post(stash.url + "/graphql", json={}, timeout=(20, 0.05))
    stash.release()
    assert "data" in ask(stash, "{ version { hash } }")


def test_stop_and_start_keep_port_and_data(stash: StashServer) -> None:
    """A stopped server refuses connections and cuts open ones; started again it has its port and its scenes."""
    stash.add_scene("kept")
    with requests.Session() as session:
        body = {"query": "{ findScene(id: 1) { title } }"}
        session.post(stash.url + "/graphql", json=body, timeout=60)
        stash.stop()
        with pytest.raises(requests.ConnectionError):
            session.post(stash.url + "/graphql", json=body, timeout=60)
        stash.start()
        assert (
            session.post(stash.url + "/graphql", json=body, timeout=60).json()["data"]["findScene"]["title"] == "kept"
        )


def test_settings_are_absent_until_saved(stash: StashServer) -> None:
    """configuration.plugins has no key before the first save, and configurePlugin replaces the whole map."""
    query = '{ configuration { plugins(include: ["PlexSync"]) general { apiKey } } }'
    assert ask(stash, query)["data"]["configuration"] == {"plugins": {}, "general": {"apiKey": ""}}
    stash.configure(plexToken="t", maxTags=5)
    ask(stash, 'mutation($i: Map!) { configurePlugin(plugin_id: "PlexSync", input: $i) }', i={"maxTags": 7})
    assert ask(stash, query)["data"]["configuration"]["plugins"] == {"PlexSync": {"maxTags": 7}}


def test_the_worker_is_ended_only_if_it_holds_the_lock(stash: StashServer) -> None:
    """A pid in worker.lock is signalled only while someone holds the lock."""
    stash.data_dir.mkdir(parents=True)
    lock = stash.data_dir / "worker.lock"
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        lock.write_text(str(holder.pid), encoding="utf-8")
        assert not stash.end_worker()
        assert holder.poll() is None
        with lock.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)

            def unlock_after_death() -> None:
                holder.wait()
                fcntl.flock(handle, fcntl.LOCK_UN)

            reaper = threading.Thread(target=unlock_after_death)
            reaper.start()
            assert stash.end_worker()
            reaper.join(5)
        assert holder.returncode == -15
    finally:
        holder.kill()
        holder.wait()


def test_large_libraries_page_by_id(stash: StashServer) -> None:
    """20,000 scenes come in pages of 1,000 ids, each once and in order."""
    for number in range(20_000):
        stash.add_scene(files=[(f"/d/{number}.mp4", number, 1)])
    pages = [found(stash, {}, sort="id", per_page=1000, page=page) for page in range(1, 22)]
    assert [len(page) for page in pages] == [1000] * 20 + [0]
    assert [int(number) for page in pages for number in page] == list(range(1, 20_001))
    assert json.loads(json.dumps(pages[0][:2])) == ["1", "2"]

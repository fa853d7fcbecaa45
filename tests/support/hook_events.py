"""What Stash says on stdin, for tests: recordings of Stash v0.30.1, and every way in which an event can be odd.

Each document names ``DIR`` as Stash's folder; ``at`` puts a test's own in its place.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

DIR = "/root/.stash"

COOKIE: dict[str, Any] = {
    "Name": "session", "Value": "c2Vzc2lvbg==", "Quoted": False, "Path": "", "Domain": "",
    "Expires": "0001-01-01T00:00:00Z", "RawExpires": "", "MaxAge": 0, "Secure": False, "HttpOnly": False,
    "SameSite": 0, "Partitioned": False, "Raw": "", "Unparsed": None,
}  # fmt: skip
CONNECTION: dict[str, Any] = {
    "Scheme": "http", "Host": "127.0.0.1", "Port": 9999, "SessionCookie": COOKIE, "Dir": DIR,
    "PluginDir": f"{DIR}/plugins/PlexSync",
}  # fmt: skip
SCENE_FIELDS = """
    clientMutationId id title code details director url urls date rating100 o_counter organized studio_id gallery_ids
    performer_ids movies groups tag_ids cover_image stash_ids resume_time play_duration play_count primary_file_id
"""
PERFORMER_FIELDS = """
    id name disambiguation url urls gender birthdate ethnicity country eye_color height height_cm measurements fake_tits
    penis_length circumcised career_length tattoos piercings aliases alias_list twitter instagram favorite tag_ids image
    stash_ids rating100 details death_date hair_color weight ignore_auto_tag
"""
STUDIO_FIELDS = """
    id name url urls parent_id image stash_ids rating100 favorite details aliases tag_ids ignore_auto_tag
"""


def filled(fields: str, **values: Any) -> dict[str, Any]:
    """An input as Go writes it: every field that was not sent is null."""
    return {**dict.fromkeys(fields.split()), **values}


def scene(**values: Any) -> dict[str, Any]:
    """The ``hookContext`` of one ``sceneUpdate``."""
    return context(1, "Scene.Update.Post", filled(SCENE_FIELDS, id="1", **values), "id", *values)


def context(number: object, kind: object, given: object = None, *fields: str) -> dict[str, Any]:
    """A ``hookContext``; ``fields`` become ``inputFields``."""
    whole: dict[str, Any] = {"id": number, "type": kind, "input": given}
    return {**whole, "inputFields": list(fields)} if fields else whole


def document(args: object, **connection: Any) -> bytes:
    """The stdin of one start, with changes to the connection."""
    return json.dumps({"server_connection": {**CONNECTION, **connection}, "args": args}).encode()


def hook(*args: Any, **connection: Any) -> bytes:
    """The stdin of one hook: the arguments of ``context``, or one finished ``hookContext``."""
    return document({"hookContext": args[0] if len(args) == 1 else context(*args)}, **connection)


def at(folder: object, raw: bytes) -> bytes:
    """The document with ``folder`` as Stash's."""
    return raw.replace(json.dumps(DIR).encode(), json.dumps(str(folder)).encode())


class Vector(NamedTuple):
    """One stdin and what becomes of it: ``key`` is queued, or ``said`` stands in the answer (``""``: anything)."""

    name: str
    raw: bytes
    key: str = ""
    said: str = "queued"


def checked(oshash: str, path: str, number: int, **given: Any) -> bytes:
    """A Destroy hook, whose input carries checksums and the path."""
    return hook(number, "Scene.Destroy.Post", {**given, "checksum": "", "oshash": oshash, "path": path})


HALF_GONE: dict[str, Any] = {"delete_file": None, "delete_generated": None}
RECORDED = [
    Vector(
        "sceneUpdate",
        hook(scene(title="Hello", tag_ids=["2", "1"], performer_ids=["1", "2"], studio_id="1", details="A <b>&\n\nB")),
        "scene:1",
    ),
    Vector(
        "bulkSceneUpdate",
        hook(
            1, "Scene.Update.Post",
            {"ids": [str(n) for n in range(1, 13)], "tag_ids": {"ids": ["1"], "mode": "ADD"}}, "ids", "tag_ids",
        ),
        "scene:1",
    ),
    Vector(
        "scenesUpdate",
        hook(
            1, "Scene.Update.Post",
            [filled(SCENE_FIELDS, id="1", title="a"), filled(SCENE_FIELDS, id="2", rating100=20)], "id", "title",
        ),
        "scene:1",
    ),
    Vector("scan", hook(15, "Scene.Create.Post"), "scene:15"),
    Vector("sceneCreate", hook(13, "Scene.Create.Post"), "scene:13"),
    Vector(
        "sceneDestroy",
        checked("7c76a7d28c5926d2", "/data/media/Scene 9.mp4", 13, id="13", delete_file=False, delete_generated=None),
        "scene:13",
    ),
    Vector(
        "scenesDestroy", checked("770e3b0227d6da8f", "/data/media/Scene 6.mp4", 9, ids=["9", "10"], **HALF_GONE),
        "scene:9",
    ),
    Vector("cleanGone", checked("2171e928838b566f", "/data/media/Scene 4.mp4", 7, id="", **HALF_GONE), "scene:7"),
    Vector(
        "performerUpdate",
        hook(
            1, "Performer.Update.Post",
            filled(PERFORMER_FIELDS, id="1", name="Zed2", custom_fields=dict.fromkeys(("full", "partial", "remove"))),
            "id", "name",
        ),
        "performer:1",
    ),
    Vector(
        "bulkPerformerUpdate",
        hook(1, "Performer.Update.Post", {"ids": ["1"], "gender": "MALE"}, "ids", "gender"),
        "performer:1",
    ),
    Vector(
        "studioUpdate", hook(1, "Studio.Update.Post", filled(STUDIO_FIELDS, id="1", name="St2"), "id", "name"),
        "studio:1",
    ),
    Vector("tagUpdate", hook(1, "Tag.Update.Post", {"id": "1", "name": "Alpha2"}, "id", "name"), "tag:1"),
    Vector("tagsMerge", hook(1, "Tag.Merge.Post", {"source": ["2"], "destination": "1"}), "tag:1"),
]  # fmt: skip
TASK = document({"mode": "sync_all"})
OPERATION = document({"mode": "status"})

GOOD = hook(1, "Scene.Update.Post")
NO_ID, NO_JSON, NO_ARGS, NO_MODE = "has no valid scene id", "could not read the JSON", "has no args", "nor mode"
NO_FOLDER = "did not name its folder"
EVENTS = [
    Vector("rating only", hook(scene(rating100=60)), "scene:1"),
    Vector("details cleared", hook(scene(details="")), "scene:1"),
    Vector("studio set to null on purpose", hook(scene(studio_id=None)), "scene:1"),
    Vector("identify with a cover", hook(scene(cover_image="data:image/jpeg;base64," + "QUJD" * 500_000)), "scene:1"),
    Vector("the largest id", hook(2**63 - 1, "Scene.Update.Post"), f"scene:{2**63 - 1}"),
    *(
        Vector(f"id {json.dumps(odd)[:12]}", hook(odd, "Scene.Update.Post"), "", NO_ID)
        for odd in (0, -1, "12", "", 1.0, 1.5, True, None, [1], {"id": 1}, 2**63, 10**400)
    ),
    Vector("id absent", hook({"type": "Scene.Update.Post", "input": None}), "", NO_ID),
    Vector("unknown type", hook(1, "Gallery.Update.Post"), "", "ignored"),
    Vector("type absent", hook({"id": 1}), "", "ignored"),
    Vector("type of another kind", hook(1, ["Scene.Update.Post"]), "", "ignored"),
    Vector("context is a text", hook("Scene.Update.Post"), "", "ignored"),
    Vector("context is a list", hook([1, "Scene.Update.Post"]), "", "ignored"),
    Vector("context is null", hook(None), "", NO_MODE),
    Vector("context and a mode", document({"hookContext": context(3, "Tag.Update.Post"), "mode": "x"}), "tag:3"),
    Vector("no context", document({}), "", NO_MODE),
    Vector("mode of another kind", document({"mode": 5}), "", NO_MODE),
    Vector("args is a list", document([]), "", NO_ARGS),
    Vector("args is null", document(None), "", NO_ARGS),
    Vector("empty object", b"{}", "", NO_ARGS),
    Vector("a list", b"[" + GOOD + b"]", "", NO_ARGS),
    Vector("a number", b"7", "", NO_ARGS),
    Vector("empty stdin", b"", "", "nothing on stdin"),
    Vector("blanks", b" \r\n\t", "", "nothing on stdin"),
    Vector("only a byte order mark", b"\xef\xbb\xbf", "", "nothing on stdin"),
    Vector("not JSON", b"Scene.Update.Post 1", "", NO_JSON),
    Vector("cut short", GOOD[:-1], "", NO_JSON),
    Vector("two documents", GOOD + GOOD, "", NO_JSON),
    Vector("JSON5", GOOD.replace(b'"args"', b"args"), "", NO_JSON),
    Vector("NaN", GOOD.replace(b'"input": null', b'"input": NaN'), "", NO_JSON),
    Vector("NaN beside a lone surrogate", hook(1, "\ud800").replace(b'"input": null', b'"input": NaN'), "", NO_JSON),
    Vector("nested too deep", GOOD.replace(b"null", b"[" * 2000 + b"]" * 2000, 1), "", NO_JSON),
    Vector("NUL", GOOD + b"\0", "", "NUL"),
    Vector("UTF-16", GOOD.decode().encode("utf-16"), "", "NUL"),
    Vector("a byte order mark", b"\xef\xbb\xbf" + GOOD, "scene:1"),
    Vector("invalid UTF-8 in a title", GOOD.replace(b'"input": null', b'"input": "\xff\xc3"'), "scene:1"),
    Vector("invalid UTF-8 around it", b"\xff" + GOOD, "", NO_JSON),
    Vector("a lone surrogate in a title", hook(scene(title="a\ud800b")), "scene:1"),
    Vector(
        "a lone surrogate in the cookie", hook(1, "Scene.Update.Post", SessionCookie={"Value": "\udc00"}), "scene:1"
    ),
    Vector("a lone surrogate in the type", hook(1, "Scene.\ud83d.Post"), "", "ignored"),
    Vector("the key args twice", GOOD[:-1] + b', "args": {"mode": "status"}}', "scene:1"),
    Vector("no cookie", hook(1, "Scene.Update.Post", SessionCookie=None), "scene:1"),
    Vector("folder missing", hook(1, "Scene.Update.Post", Dir=None), "", NO_FOLDER),
    Vector("folder empty", hook(1, "Scene.Update.Post", Dir=""), "", NO_FOLDER),
    Vector("folder of another kind", hook(1, "Scene.Update.Post", Dir=[DIR]), "", NO_FOLDER),
    Vector("no connection", b'{"args": {"hookContext": {"id": 1, "type": "Tag.Merge.Post"}}}', "", NO_FOLDER),
    Vector("the address of all interfaces", hook(1, "Scene.Update.Post", Host="0.0.0.0"), "scene:1"),
    Vector("IPv6", hook(1, "Scene.Update.Post", Host="::"), "scene:1"),
    Vector("a LAN address over TLS", hook(1, "Scene.Update.Post", Host="192.168.1.5", Scheme="https"), "scene:1"),
]
VECTORS = RECORDED + EVENTS

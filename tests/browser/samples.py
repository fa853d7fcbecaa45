"""Answers of the plugin's operations as the contract shapes them: one set for each state of health, and some at the
edges of what a page has to show.

Made data: nothing is started and nothing is asked. Times are counted back from ``NOW`` or from the time of the call.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.servers.graphql_run import ResolverError

Answer = dict[str, Any]
Canned = dict[str, Callable[[Answer], Any]]

#: Each state of health, the first that holds.
STATES = ("setup", "problem", "away", "attention", "busy", "waiting", "ok")

#: What a page meets at its edges: nothing at all, two hundred dead letters, names without end, what is no fault.
EDGES = ("empty", "many", "long", "markup")

WEB = "http://plex.local:32400/web/index.html#!/server/0123456789abcdef/details?key=%2Flibrary%2Fmetadata%2F{key}"
LONG = "A-title-without-a-single-blank-that-goes-on-and-on-until-it-no-longer-fits-any-screen-" * 3
LONG_PATH = "/mnt/media/" + "a_very_long_folder_name_without_blanks/" * 6 + "a_file_whose_name_is_long_too.mp4"

HEALTH: dict[str, tuple[str, str]] = {
    "setup": ("PlexSync does not know your Plex yet.", "Enter Plex's address and token below, or sign in with Plex."),
    "problem": (
        "Syncing is paused: Plex refuses the token.",
        'Enter a new token in "Plex token", or sign in with Plex; nothing is lost meanwhile.',
    ),
    "away": (
        "Plex is unreachable since 12 minutes; 41 scenes wait for it.",
        "Nothing to do: PlexSync tries again by itself. If Plex runs, check its address.",
    ),
    "attention": (
        "5 jobs need you: PlexSync cannot finish them alone.",
        "Choose an item for each; or correct what its reason says and retry; or discard it.",
    ),
    "busy": ("Syncing: 1,204 of 5,000 scenes are done.", ""),
    "waiting": ("2 scenes wait for their files to appear in Plex.", "Nothing to do: PlexSync looks again by itself."),
    "ok": ("Every edit has reached Plex. The last change was written 7 minutes ago.", ""),
}

FILMS = (
    ("A holiday by the sea", "/films/Acme/holiday.mp4"),
    ("The lighthouse keeper", "/films/Acme/lighthouse.mp4"),
    ("Night train", "/films/Borealis/night train (2019).mkv"),
    ("Three gardens", "/films/Borealis/three.gardens.mp4"),
    ("Winter market", "/films/Cinder/winter_market.mp4"),
    ("The glass bridge", "/films/Cinder/glass bridge.mkv"),
)


def ago(**span: float) -> str:
    """The time so long ago, as the plugin writes it."""
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ahead(**span: float) -> str:
    """The time so far ahead."""
    return ago(**{name: -value for name, value in span.items()})


def status(**over: Any) -> Answer:
    """A status object; ``over`` replaces whole keys."""
    made: Answer = {
        "version": "1.1.0",
        "queue": {"pending": 0, "waiting": 0, "in_progress": 0, "dead": 0, "oldest_seconds": 0},
        "dead_by_reason": {},
        "breaker": {"state": "closed", "failures": 0, "opened_at": None, "retry_at": None},
        "worker": {"running": True, "pid": 4711},
        "totals": {"synced": 5210, "unchanged": 18400, "retried": 12, "dead": 3, "skipped": 7},
        "requests": {"plex_reads": 9120, "plex_writes": 5302, "stash": 640},
        "problem": None, "paused_kinds": [], "last_catchup": ago(minutes=25),
        "doctor_left": False,
    }  # fmt: skip
    return made | over


def queue(**over: int) -> dict[str, int]:
    """The queue's counts."""
    return {"pending": 0, "waiting": 0, "in_progress": 0, "dead": 0, "oldest_seconds": 0} | over


def candidate(key: int, title: str = "", **over: Any) -> Answer:
    """One item that may be the scene's."""
    made = {
        "rating_key": key, "title": title, "path": f"/data/films/Acme/copy {key}.mp4", "size": 734_003_200 + key,
        "duration": 1820.0, "evidence": "name_only", "why": "only the name is equal",
    }  # fmt: skip
    return made | over


def candidates(number: int, title: str, path: str) -> list[Answer]:
    """Two items that may be the scene's: one in another cut, one that is shorter."""
    name = path.rpartition("/")[2]
    why = "size and duration are equal, the path is not"
    one = candidate(2000 + number, title, path=f"/data/films/{name}", evidence="size_duration", why=why)
    short = {"size": 81_920_000, "duration": 142.0}
    return [one, candidate(3000 + number, f"{title} (trailer)", path=f"/data/trailers/{name}", **short)]


REASONS = {
    "low_confidence": "2 items in Plex could be this scene. Choose the right one, or make the paths equal.",
    "not_in_plex": "Plex has not had this file for 7 days.",
    "rejected": "Plex refused the edit: 400 Bad Request for the field Summary.",
    "retries_exhausted": "8 attempts failed; the last error was: Plex did not answer within 30 s.",
    "invalid": "The scene has no file, so there is nothing in Plex to look for.",
}


def dead_letter(number: int, reason: str = "low_confidence", **over: Any) -> Answer:
    """One dead letter of the scene of the same number."""
    title, path = FILMS[number % len(FILMS)]
    doubtful = reason == "low_confidence"
    offered = candidates(number, title, path) if doubtful else []
    made = {
        "id": number, "scene_id": number, "key": f"scene:{number}", "reason": reason, "message": REASONS[reason],
        "title": title, "path": path, "attempts": 1 if doubtful else 8,
        "first_seen": ago(days=2, hours=number % 24), "last_seen": ago(hours=3), "candidates": offered,
    }  # fmt: skip
    return made | over


def recent(count: int = 6) -> list[Answer]:
    """The last synced scenes, newest first."""
    rows = []
    for number in range(1, count + 1):
        title, _ = FILMS[number % len(FILMS)]
        rows.append(
            {
                "scene_id": number, "title": title, "rating_key": 1000 + number, "at": ago(minutes=7 * number),
                "kind": "undo" if number == 5 else "sync", "chosen": number == 4,
                "images": ["poster"] if number % 2 else [],
                "changes": [
                    {"field": "title", "old": title.lower(), "new": title},
                    {"field": "genres", "old": "Drama", "new": "Drama, Seaside, Black and white"},
                    {"field": "summary", "old": "", "new": "Two friends, one boat, and a summer that does not end."},
                    {"field": "studio", "old": "", "new": "Acme"},
                    {"field": "date", "old": "2019-01-01", "new": "2019-07-14"},
                    {"field": "actors", "old": "", "new": "Ada Lovelace, Grace Hopper"},
                ][: 6 if number == 4 else 1 + number % 3],
            }
        )  # fmt: skip
    return rows


def waiting(count: int = 2) -> list[Answer]:
    """Scenes whose files Plex does not have yet."""
    return [
        {"scene_id": 20 + number, "title": FILMS[number % 6][0], "path": FILMS[number % 6][1],
         "since": ago(hours=5 * (number + 1)), "next": ahead(minutes=20 + number)}
        for number in range(count)
    ]  # fmt: skip


def outages() -> list[Answer]:
    """Times when Plex was away."""
    return [
        {"from": ago(days=1, hours=2), "to": ago(days=1), "cause": "Connection refused.", "held": 41},
        {"from": ago(days=6), "to": ago(days=5, hours=23, minutes=48), "cause": "No answer in 30 s.", "held": 3},
    ]


def _overview(state: str, **over: Any) -> Answer:
    sentence, what = HEALTH[state]
    made = {
        "health": {"state": state, "sentence": sentence, "what_to_do": what}, "status": status(), "recent": recent(),
        "dead": [], "waiting": [], "outages": [], "web": WEB, "more": {"dead": 0, "waiting": 0},
    }  # fmt: skip
    return made | over


def overview(name: str) -> Answer:
    """The overview of one of ``STATES`` or ``EDGES``."""
    return _OVERVIEWS[name]()


def _setup() -> Answer:
    return _overview("setup", status=status(worker={"running": False, "pid": None}), recent=[])


def _problem() -> Answer:
    paused = status(problem=HEALTH["problem"][0], queue=queue(pending=12, oldest_seconds=4000))
    return _overview("problem", status=paused)


def _away() -> Answer:
    breaker = {"state": "open", "failures": 5, "opened_at": ago(minutes=12), "retry_at": ahead(seconds=48)}
    gone = status(breaker=breaker, queue=queue(pending=41, oldest_seconds=700))
    current = {"from": ago(minutes=12), "to": None, "cause": "Connection refused.", "held": 41}
    return _overview("away", status=gone, outages=[current, *outages()])


def _attention() -> Answer:
    reasons = ("low_confidence", "rejected", "retries_exhausted", "not_in_plex", "invalid")
    letters = [dead_letter(number, reason) for number, reason in enumerate(reasons, 1)]
    counts = dict.fromkeys(reasons, 1)
    held = status(queue=queue(dead=len(letters), waiting=2), dead_by_reason=counts)
    return _overview("attention", status=held, dead=letters, waiting=waiting(), outages=outages())


def _busy() -> Answer:
    at_work = status(queue=queue(pending=3796, in_progress=50, waiting=1, oldest_seconds=95))
    return _overview("busy", status=at_work, waiting=waiting(1))


def _waiting() -> Answer:
    return _overview("waiting", status=status(queue=queue(waiting=2)), waiting=waiting(), outages=outages())


def _ok() -> Answer:
    return _overview("ok", outages=outages())


def _empty() -> Answer:
    nothing = status(totals={"synced": 0, "unchanged": 0, "retried": 0, "dead": 0, "skipped": 0})
    return _overview("ok", status=nothing, recent=[])


def _many() -> Answer:
    letters = [dead_letter(number) for number in range(1, 201)]
    held = status(queue=queue(dead=1234), dead_by_reason={"low_confidence": 1234})
    return _overview("attention", status=held, dead=letters, more={"dead": 1034, "waiting": 0}, recent=recent(50))


def _long() -> Answer:
    letter = dead_letter(1, title=LONG, path=LONG_PATH, message=LONG)
    letter["candidates"] = [candidate(number, LONG, path=LONG_PATH, why=LONG) for number in (1, 2, 3)]
    row = recent(1)[0] | {"title": LONG, "changes": [{"field": "summary", "old": LONG, "new": LONG_PATH}]}
    rest = [one | {"title": LONG, "path": LONG_PATH} for one in waiting(1)]
    held = status(queue=queue(dead=1, waiting=1), dead_by_reason={"low_confidence": 1})
    cause = [one | {"cause": LONG} for one in outages()]
    return _overview("attention", status=held, dead=[letter], recent=[row], waiting=rest, outages=cause)


#: Text that would do something if anybody took it for HTML.
MARKUP = '<img src=x onerror="document.title=1"><b>bold</b> & "quoted"'


def _markup() -> Answer:
    letter = dead_letter(1, title=MARKUP, path=f"/films/{MARKUP}.mp4", message=MARKUP)
    letter["candidates"] = [candidate(1, MARKUP, why=MARKUP)]
    row = recent(1)[0] | {"title": MARKUP, "changes": [{"field": "title", "old": MARKUP, "new": ""}]}
    held = status(queue=queue(dead=1), dead_by_reason={"low_confidence": 1})
    return _overview("attention", status=held, dead=[letter], recent=[row])


_OVERVIEWS: dict[str, Callable[[], Answer]] = {
    "setup": _setup, "problem": _problem, "away": _away, "attention": _attention, "busy": _busy, "waiting": _waiting,
    "ok": _ok, "empty": _empty, "many": _many, "long": _long, "markup": _markup,
}  # fmt: skip

#: The states that a scene may be in, each with its sentence.
SCENES = {
    "pending": "This scene is queued and will be synced in a moment.",
    "waiting": "Plex does not have this file yet; PlexSync looks again by itself.",
    "needs_you": "Two items in Plex may be this scene, and none is certain.",
    "in_plex": "Plex has this scene, and nothing is left to do.",
    "skipped": "This scene is not organized, and only organized scenes are synced.",
    "never_synced": "PlexSync has not synced this scene yet.",
}


def scene(state: str, number: int = 1) -> Answer:
    """What ``scene`` answers in one of ``SCENES``."""
    doubtful, there = state == "needs_you", state == "in_plex"
    item = {
        "rating_key": 1001, "title": "A holiday by the sea", "confidence": "high", "evidence": "equal_path",
        "chosen": False, "web": WEB.replace("{key}", "1001"),
    }  # fmt: skip
    letter = dead_letter(number) if doubtful else None
    return {
        "state": state, "sentence": SCENES[state], "title": "A holiday by the sea", "items": [item] if there else [],
        "last_sync": ago(hours=2) if there else None, "dead_letter": letter, "chosen": None, "undoable": there,
        "changes": recent(2)[1]["changes"] if there else [], "choices": [],
        "changed_at": ago(hours=2) if there else None, "images": ["poster"] if there else [],
        "candidates": letter["candidates"] if letter else [],
    }  # fmt: skip


_CHANGES: dict[str, tuple[str, str]] = {
    "title": ("file01", ""),
    "summary": ("", "Two friends, one boat, and a summer that does not end."),
    "genre": ("Drama", "Drama; Seaside; Black and white"),
    "actor": ("", "Ada Lovelace; Grace Hopper"),
    "studio": ("", "Acme"),
    "originallyAvailableAt": ("2019-01-01", "2019-07-14"),
    "poster": ("", "9e107d9d372bb6826bd81d3542a419d6277fbc37"),
}
_FIELDS = tuple(_CHANGES)

#: So many scenes, that each sample has its own.
SCENE_COUNT = 210


def _title(number: int) -> str:
    return FILMS[number % 6][0] + (f" {number}" if number > 5 else "")


def preview_rows(args: Answer, total: int = 1240) -> Answer:
    """A page of the last preview, filtered as the arguments say."""
    rows = [
        {"scene_id": 1 + number // 7 % SCENE_COUNT, "scene_title": _title(number // 7),
         "rating_key": 1000 + number // 7, "confidence": "high" if number // 7 % 3 != 2 else "low",
         "evidence": "equal_path" if number // 7 % 3 != 2 else "name_folders", "field": _FIELDS[number % 7],
         "old": _CHANGES[_FIELDS[number % 7]][0], "new": _CHANGES[_FIELDS[number % 7]][1] or _title(number // 7)}
        for number in range(total)
    ]  # fmt: skip
    kept = [one for one in rows if args.get("field") in (None, "", one["field"]) and _has(one, args.get("text"))]
    counts = {name: sum(one["field"] == name for one in rows) for name in _FIELDS}
    return _page(args, kept, counts)


def unmatched_rows(args: Answer, total: int = 31) -> Answer:
    """A page of the scenes without an item."""
    rows = [
        {"scene_id": 100 + number, "scene_title": _title(number),
         "path": f"/films/new/{number}.mp4", "kind": "low_confidence" if number % 2 else "not_in_plex",
         "reason": REASONS["low_confidence" if number % 2 else "not_in_plex"],
         "candidates": [candidate(4000 + number)] if number % 2 else []}
        for number in range(total)
    ]  # fmt: skip
    rows.sort(key=lambda one: one["kind"])
    counts = {kind: sum(one["kind"] == kind for one in rows) for kind in ("low_confidence", "not_in_plex")}
    kept = [one for one in rows if args.get("field") in (None, "", one["kind"])]
    return _page(args, [one for one in kept if _has(one, args.get("text"))], counts)


def _has(row: Answer, text: Any) -> bool:
    return not text or any(str(text).lower() in str(value).lower() for value in row.values())


def _page(args: Answer, rows: list[Answer], counts: Answer) -> Answer:
    first, size = int(args.get("offset") or 0), min(int(args.get("limit") or 50), 500)
    return {"made_at": ago(minutes=3), "total": len(rows), "counts": counts, "rows": rows[first : first + size]}


TRIED: Answer = {
    "ok": True, "sentence": "Plex answers: version 1.41.0, 12 ms.", "version": "1.41.0", "ms": 12,
    "libraries": [
        {"title": "Films", "type": "movie", "items": 5210, "usable": True},
        {"title": "Home videos", "type": "movie", "items": 87, "usable": True},
        {"title": "Music", "type": "artist", "items": 900, "usable": False},
    ],
}  # fmt: skip

CHECKED: Answer = {
    "ok": True,
    "lines": [
        "Stash answers.", "Plex 1.41.0 answers in 12 ms and accepts the token.",
        "Libraries of the type Movies: Films, Home videos. Used: Films.", "Indexed: Films 5,210 items.",
        "Of 50 sampled scenes, 46 match an item in Plex (92 %), 3 are not in Plex, 1 is uncertain.",
        "Suggested path map: /data => /films (46 files agree).", "Check setup: all checks passed.",
    ],
    "plex": {"version": "1.41.0", "ms": 12, "platform": "Linux"},
    "libraries": [{"title": "Films", "type": "movie", "items": 5210, "usable": True, "used": True}],
    "sample": {"scenes": 50, "matched": 46, "reasons": {"not_in_plex": 3, "low_confidence": 1}},
    "path_map": {
        "suggested": "/data => /films", "pairs": [{"stash": "/data", "plex": "/films", "files": 46}],
        "sample": 50, "matched": 46,
    },
}  # fmt: skip

REPORT = "PlexSync 1.1.0, Python 3.11.7, Linux\nqueue: 0 pending, 0 waiting, 0 dead\n"


def canned(name: str, scene_state: str = "in_plex") -> Canned:
    """Answers for a whole Stash, by mode, in one of ``STATES`` or ``EDGES``."""
    shown = overview(name)
    health = {key: shown["health"][key] for key in ("state", "sentence")}
    woken = {"started": False, "running": True, "health": health, "dead": shown["status"]["queue"]["dead"]}
    fixed: dict[str, Any] = {
        "overview": shown, "status": shown["status"], "wake": woken, "dead_letters": {"items": shown["dead"]},
        "scene": scene(scene_state), "try_plex": TRIED, "check_setup": CHECKED, "report": {"text": REPORT},
        "sync": {"queued": 1}, "retry": {"retried": 1}, "discard": {"discarded": 1}, "undo": {"queued": 1},
        "choose": {"chosen": 1001, "sentence": "Item 1001 is chosen for scene 1."},
        "unchoose": {"chosen": None, "sentence": "The choice of item 1001 for scene 1 is taken back."},
        "sign_in": {"url": "https://app.plex.tv/auth#?code=abcd", "id": 1, "state": "waiting"},
    }  # fmt: skip
    made = {mode: _always(answer) for mode, answer in fixed.items()}
    return made | {"preview_rows": preview_rows, "unmatched_rows": unmatched_rows}


def _always(answer: Any) -> Callable[[Answer], Any]:
    return lambda _: copy.deepcopy(answer)


def failing(sentence: str) -> Canned:
    """Every operation fails with that sentence."""

    def fail(_: Answer) -> Any:
        raise ResolverError(sentence)

    return dict.fromkeys(canned("ok"), fail)


#: How a call of the plugin may end in an error, in Stash's words.
ERRORS = {
    "error": "Plex refuses the token.",
    "crash": "exit status 3",
    "disabled": "plugin PlexSync is disabled",
    "not_installed": "Internal system error. Error <runtime error: invalid memory address or nil pointer dereference>",
}

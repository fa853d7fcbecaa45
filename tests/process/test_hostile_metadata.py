"""Metadata that breaks others: it reaches Plex cleaned, in one go, and a second sync has nothing to write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.installation import Film, Installation

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
ODD_NAMES = (
    "a, b",
    "[x]",
    'say "hi"',
    "it's",
    "50% off",
    "1+1",
    "a;b",
    "R&D",
    "<b>",
    "#1",
    "a=b",
    "q?",
    "ends,",
    "/",
    "%2C",
)
TOKEN_URL = "http://plex.local:32400/library?X-Plex-Token=Zx9Secret&a=1#frag"


@dataclass(frozen=True)
class Case:
    """What Stash has (``studio``, ``performers`` and ``tags`` by name), and what Plex should show of it."""

    name: str
    stash: dict[str, Any]
    plex: dict[str, Any]
    begins: dict[str, str] = field(default_factory=dict)


CASES = (
    Case(
        "control characters",
        {
            "title": "a\x00b\x1b[31mc\td\ne\u200b\u202e\ufeff\u00ad",
            "details": "one\x07\r\n\r\ntwo \x0b\n\x7fthree\u2028four",
            "studio": "St\x00udio\n7",
            "performers": ["Ada\x1f\u200b", "\x01\u200b"],
            "tags": ["t\x00ag", "\x02", "tab\there"],
        },
        {
            "title": "ab[31mc d e",
            "summary": "one\n\ntwo\n\nthree\nfour",
            "studio": "Studio 7",
            "collections": ["Studio 7"],
            "actors": ["Ada"],
            "genres": ["tab here", "tag"],
        },
    ),
    Case(
        "lone surrogates",
        {
            "title": "half \ud800 gone\udfff",
            "details": "x\udc00y\n\n\ud83d z",
            "studio": "S\ud800",
            "performers": ["P\udead"],
            "tags": ["T\ud83d", "\ud800"],
        },
        {
            "title": "half gone",
            "summary": "xy\n\n z",
            "studio": "S",
            "collections": ["S"],
            "actors": ["P"],
            "genres": ["T"],
        },
    ),
    Case("long summary", {"title": "long", "details": "word " * 4000}, {}, {"summary": "word word word"}),
    Case("long summary of Chinese", {"title": "中文", "details": "漢字仮名" * 5000}, {}, {"summary": "漢字仮名漢字"}),
    Case(
        "500 tags",
        {"title": "many", "tags": [f"Tag {number:03}" for number in reversed(range(500))]},
        {"title": "many", "genres": [f"Tag {number:03}" for number in range(100)]},
    ),
    Case(
        "names that differ in case",
        {"performers": ["EVE", "Eve", "eve", "Straße", "STRASSE"], "tags": ["Same", "sAME", "other"], "studio": "SAME"},
        {"actors": ["EVE", "Straße"], "genres": ["other", "Same"], "studio": "SAME", "collections": ["SAME"]},
    ),
    Case(
        "signs that mean something in an address",
        {
            "title": "100% & more; a+b = c, [d]",
            "performers": ODD_NAMES,
            "tags": ODD_NAMES,
            "studio": 'A, "B" & [C]; 100%+',
        },
        {
            "title": "100% & more; a+b = c, [d]",
            "actors": list(ODD_NAMES),
            "genres": sorted(ODD_NAMES, key=lambda name: (name.casefold(), name)),
            "studio": 'A, "B" & [C]; 100%+',
            "collections": ['A, "B" & [C]; 100%+'],
        },
    ),
    Case(
        "titles that look like addresses",
        {"title": TOKEN_URL, "details": f"see {TOKEN_URL}", "tags": [TOKEN_URL], "studio": "id=5&type=1&title.value=x"},
        {
            "title": TOKEN_URL,
            "summary": f"see {TOKEN_URL}",
            "genres": [TOKEN_URL],
            "studio": "id=5&type=1&title.value=x",
            "collections": ["id=5&type=1&title.value=x"],
        },
    ),
    Case(
        "an emoji family",
        {
            "title": f"{FAMILY} at home",
            "tags": [FAMILY],
            "performers": [f"The {FAMILY}"],
            "details": f"{FAMILY}\n\n{FAMILY}",
        },
        {
            "title": f"{FAMILY} at home",
            "genres": [FAMILY],
            "actors": [f"The {FAMILY}"],
            "summary": f"{FAMILY}\n\n{FAMILY}",
        },
    ),
    Case(
        "accents, blanks and a title too long",
        {"title": "Cafe\u0301\u00a0" + "x" * 300, "tags": ["e\u0301", "\u00e9"], "date": "2024-05"},
        {"title": "Caf\u00e9 " + "x" * 250, "genres": ["\u00e9"], "date": "2024-05-01"},
    ),
    Case(
        "a date that is none",
        {"title": "'; DROP TABLE written; --", "date": "2024-13-40"},
        {"title": "'; DROP TABLE written; --", "date": ""},
    ),
)  # fmt: skip


@pytest.fixture(params=[True, False], ids=["Plex appends tags", "Plex replaces tags"])
def here(request: pytest.FixtureRequest, here: Installation) -> Installation:
    """Both servers; Plex does with a list of tags what it may do."""
    here.plex.modes.tags_append = request.param
    return here


def film(here: Installation, case: Case) -> Film:
    """The case's scene, never seen by PlexSync."""
    fields = dict(case.stash)
    known = {one.name: one.id for one in here.stash.performers.values()}
    if "performers" in fields:
        fields["performers"] = [known.get(name) or here.stash.add_performer(name) for name in fields["performers"]]
    if "tags" in fields:
        fields["tags"] = [here.stash.add_tag(name) for name in fields["tags"]]
    if "studio" in fields:
        fields["studio"] = here.stash.add_studio(fields["studio"])
    return here.film(fields.pop("title", ""), **fields)


def check(here: Installation, one: Film, case: Case) -> None:
    """Plex shows what the case says."""
    shown = here.plex.items[one.item].visible()
    assert {name: shown[name] for name in case.plex} == case.plex, case.name
    for name, beginning in case.begins.items():
        whole = case.stash["details"]
        assert shown[name].startswith(beginning), case.name
        assert 300 < len(shown[name]) < len(whole), case.name
        assert whole.startswith(shown[name]), case.name


def test_hostile_metadata(here: Installation) -> None:
    """Everything arrives as the design's rules clean it, nothing dies, and syncing all again writes nothing at all."""
    films = [film(here, case) for case in CASES]
    ended = here.stash.run_task("sync_all")
    assert (ended.error, ended.output["synced"]) == (None, len(CASES))
    for one, case in zip(films, CASES, strict=True):
        check(here, one, case)
    assert not here.plex.disaster
    assert here.plex.largest_request_line <= 8_000
    status = here.status()
    assert (status["queue"]["dead"], status["totals"]["retried"], status["problem"]) == (0, 0, None)
    before = here.plex.snapshot()
    here.plex.clear_log()
    again = here.stash.run_task("sync_all")
    assert (again.error, again.output) == (None, {"marked": len(CASES), "unchanged": len(CASES)})
    assert (here.plex.writes(), here.plex.snapshot()) == ([], before)
    assert "Traceback" not in here.log()


def test_odd_names_go_as_they_came(here: Installation) -> None:
    """Names with commas, quotes, brackets and percent signs can be taken away again, one by one, and the rest stays."""
    case = next(case for case in CASES if case.name.startswith("signs"))
    one = film(here, case)
    kept = [tag.id for tag in here.stash.tags.values() if tag.name in ("a, b", "50% off")]
    here.edit(one, "all of them")
    here.arrives(one, "all of them")
    assert len(here.plex.items[one.item].genres) == len(ODD_NAMES)
    here.stash.change_scene(one.scene, tags=kept, performers=[])
    here.edit(one, "two of them")
    here.arrives(one, "two of them")
    item = here.plex.items[one.item]
    assert (sorted(item.genres), item.actors) == (["50% off", "a, b"], [])

"""Check setup reports in plain words what works and what does not; every failure of Plex is a finding."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync.status import DOCTOR_LEFT, PUT_BACK
from plexsync.tasks import check_setup
from tests.support.in_process import LATE, SOON, Bench


def moved(bench: Bench, count: int = 8) -> None:
    """Add scenes whose files Plex sees under another mount."""
    for number in range(count):
        rest, size = f"Studio {number % 3}/film {number}.mp4", 5000 + number
        bench.plex.add_item(1, file=f"/media/films/{rest}", size=size, duration_ms=60_000)
        bench.stash.add_scene(f"Film {number}", files=[(f"/data/{rest}", size, 60.0)])


def checked(bench: Bench) -> dict[str, Any]:
    """Run Check setup and check that it logs each line once, and writes nothing to Plex."""
    bench.log.lines.clear()
    result = check_setup.run(bench.app)
    assert [text for _, text in bench.log.lines] == result["lines"]
    assert len(set(result["lines"])) == len(result["lines"])
    assert all(
        (line[0].isupper() or line.startswith("plex")) and line.rstrip().endswith((".", "films"))
        for line in result["lines"]
    )
    assert bench.plex.writes() == bench.plex.uploads() == []
    assert bench.keys() == []
    assert result["ok"] is not bool(bench.log.of("error"))
    return result


def test_all_checks_pass(bench: Bench) -> None:
    """Stash, Plex, token, libraries, index, matches, paths, verdict: a line for each."""
    bench.plex.add_section("Old films", key=2)
    bench.plex.add_section("Music", key=3, type="artist")
    bench.plex.add_item(2, file="/old/x.mp4")
    for number in range(3):
        bench.named(f"Film {number}")
    bench.stash.configure(plexLibraries="films")
    result = checked(bench)
    ms = result["plex"]["ms"]
    version = result["plex"]["version"]
    assert result["lines"] == [
        "Stash answers.",
        f"Plex {version} answers in {ms} ms and accepts the token.",
        "Libraries of the type Movies: Films, Old films. Used: Films.",
        "Indexed: Films 3 items.",
        "Of 3 sampled scenes, 3 match an item in Plex (100 %), 0 are not in Plex, 0 are uncertain.",
        "No path map to suggest: the paths agree, or too few files match to learn from.",
        "Check setup: all checks passed.",
    ]
    assert result["ok"]
    assert (version, result["plex"]["platform"]) != ("", "")
    assert 0 <= ms < 60_000
    assert result["libraries"] == [
        {"title": "Films", "type": "movie", "items": 3, "usable": True, "used": True},
        {"title": "Old films", "type": "movie", "items": None, "usable": True, "used": False},
        {"title": "Music", "type": "artist", "items": None, "usable": False, "used": False},
    ]
    assert result["path_map"] == {"suggested": "", "pairs": [], "sample": 3, "matched": 3}
    assert result["sample"] == {"scenes": 3, "matched": 3, "reasons": {}}
    assert {level for level, _ in bench.log.lines} == {"info"}


def test_what_the_doctor_left(bench: Bench) -> None:
    """An item that the doctor has not put back is a finding, which keeps nothing from working."""
    bench.film()
    (bench.folder / "doctor.json").touch()
    found = checked(bench)
    assert [line for line in found["lines"] if "doctor --put-back" in line] == [f"{DOCTOR_LEFT} {PUT_BACK}"]
    assert found["ok"]


def test_what_does_not_match(bench: Bench) -> None:
    """Scenes without a certain match are counted by kind, the first few with a reason; the verdict warns."""
    bench.named("Film")
    for number in range(3):
        bench.stash.add_scene(f"None {number}", files=[(f"/media/none{number}.mp4", 9, 9.0)])
    bench.plex.add_item(1, file="/other/doubt.mp4", size=77, duration_ms=5_000)
    bench.stash.add_scene("Doubtful", files=[("/media/doubt.mp4", 78, 99.0)])
    result = checked(bench)
    assert result["ok"]
    assert result["sample"] == {"scenes": 5, "matched": 1, "reasons": {"not_in_plex": 3, "low_confidence": 1}}
    assert "Of 5 sampled scenes, 1 match an item in Plex (20 %), 3 are not in Plex, 1 are uncertain." in result["lines"]
    reasons = [line for line in result["lines"] if line.startswith("No certain match: ")]
    assert len(reasons) == check_setup.REASONS
    assert bench.log.lines[-1] == (
        "warning",
        "Check setup: PlexSync works, but most scenes match no item in Plex. The other lines say why.",
    )
    bench.stash.configure(matchLowConfidence=True)
    assert checked(bench)["sample"]["matched"] == 2


def test_nothing_matches(bench: Bench) -> None:
    """No match at all is a warning; an empty Stash is not."""
    assert "Stash has no scenes yet." in checked(bench)["lines"]
    bench.stash.add_scene("None", files=[("/media/none.mp4", 9, 9.0)])
    checked(bench)
    assert [line[:38] for line in bench.log.of("warning")] == [
        "Of 1 sampled scene, 0 match an item in",
        "Check setup: PlexSync works, but most ",
    ]


def test_the_suggested_path_map_works(bench: Bench) -> None:
    """With other mounts a map is learned, and pasting the suggestion makes every match one by path."""
    moved(bench)
    result = checked(bench)
    assert result["path_map"] == {
        "suggested": "/data => /media/films",
        "pairs": [{"stash": "/data", "plex": "/media/films", "files": 8}],
        "sample": 8,
        "matched": 8,
    }
    assert result["lines"][-2] == (
        "PlexSync has learned how the paths differ. To make this permanent,"
        ' paste into "Path map": /data => /media/films'
    )
    bench.stash.configure(plexPathMap=result["path_map"]["suggested"])
    again = checked(bench)
    assert again["sample"] == {"scenes": 8, "matched": 8, "reasons": {}}
    assert "Your path map is in use. Learned from matches: /data => /media/films" in again["lines"]
    matches = bench.app.connect_plex().match(bench.app.stash.sample(50))
    assert {candidate.evidence.value for match in matches.values() for candidate in match.items} == {"equal path"}


WRONG_MAPS = {
    "swapped": (
        "/media/films => /data",
        'has its sides swapped; the path in Stash comes first: write "/data => /media/films"',
    ),
    "the second one swapped": (
        "/data/Studio 0 => /media/films/Studio 0; /media/films/ -> /data/",
        'has its sides swapped; the path in Stash comes first: write "/data/ => /media/films/"',
    ),
    "no folder of Plex": (
        "/data => /films",
        'leads to no folder of a library in use: its second path must be in "/media/films"',
    ),
    "another case": ("/DATA => /media/films", "spells its first path in another case than Stash: write it as Stash"),
    "no folder of Stash": (
        "/nothing => /media/films",
        "applies to no scene: write the folder's path as Stash shows it",
    ),
}


@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "hidden"])
@pytest.mark.parametrize("name", WRONG_MAPS)
def test_a_path_map_that_cannot_be_right(bench: Bench, name: str, hidden: bool) -> None:
    """One warning says which part is wrong, what is wrong with it and what to write; hidden paths stay hidden."""
    text, says = WRONG_MAPS[name]
    moved(bench)
    bench.plex.sections[1].locations = ("/media/films",)
    bench.stash.configure(plexPathMap=text, logHidePaths=hidden)
    result = checked(bench)
    number = text.count(";") + 1
    assert [line.startswith(f'Part {number} of "Path map" ') for line in bench.log.of("warning")] == [True]
    assert (says if not hidden else says.split(":")[0]) in bench.log.of("warning")[0]
    if hidden:
        assert "/" not in bench.log.of("warning")[0]
    assert result["ok"]
    assert result["sample"]["matched"] == 8


@pytest.mark.parametrize(
    ("text", "platform", "location"),
    [
        ("/data => /media/films", "Linux", "/media/films/"),
        ("/data/ => /media", "Linux", "/media/films"),
        ("'/data' = '/MEDIA/films'", "MacOSX", "/media/films"),
        ("\\data => //media/films", "Linux", "/media/films"),
        ("/ => /media/films", "Linux", "/media/films"),
    ],
)
def test_a_path_map_that_can_be_right(bench: Bench, text: str, platform: str, location: str) -> None:
    """However it is written, a map that leads from files in Stash to a folder of Plex is worth no warning."""
    moved(bench)
    bench.plex.platform = platform
    bench.plex.sections[1].locations = (location,)
    bench.stash.configure(plexPathMap=text)
    assert checked(bench)["ok"]
    assert bench.log.of("warning") == []


def test_hidden_paths(bench: Bench) -> None:
    """With "Hide names in the log" the log has neither paths nor titles; the answer still has the map."""
    moved(bench)
    bench.stash.add_scene("A secret title", files=[("/data/Studio 0/secret.mp4", 9, 9.0)])
    bench.stash.configure(logHidePaths=True, logDebug=True)
    result = checked(bench)
    text = "\n".join(line for _, line in bench.log.lines)
    assert not [word for word in ("/data", "/media", "secret", "Film 1", "film 1", "Studio") if word in text]
    assert result["path_map"]["suggested"] == "/data => /media/films"


def test_settings_that_cannot_be_used(bench: Bench) -> None:
    """An unusable setting is reported each time, once, and the check continues."""
    bench.named("Film")
    bench.stash.configure(maxTags="many")
    for _ in range(2):
        assert checked(bench)["ok"]
        assert [line for line in bench.log.of("warning") if "maxTags" in line] == bench.log.of("warning")
        assert len(bench.log.of("warning")) == 1
        bench.reopen()


def test_what_was_pasted_works(bench: Bench) -> None:
    """The browser's address, a token in an address, and a library's name in another spelling: a warning at most."""
    bench.plex.add_section("Vid\u00e9os", key=2, locations=("/videos",))
    page = f"{bench.plex.url}/web/index.html#!/server/1f/details?key=%2Flibrary"
    bench.stash.configure(
        plexUrl=page,
        plexToken=f" '{bench.plex.url}/library/metadata/1?checkFiles=1&X-Plex-Token={bench.plex.token}'\n",
        plexLibraries='"VIDE\u0301OS";\u00a0"films"',
        plexPathMap='"/films" -> "/films"',
    )
    result = checked(bench)
    assert result["ok"]
    assert "Used: Films, Vid\u00e9os." in "".join(result["lines"])
    assert [line for line in bench.log.of("warning") if "plexUrl" in line] == bench.log.of("warning")
    assert bench.plex.token not in "".join(result["lines"])


SETUP: dict[str, tuple[dict[str, Any], str]] = {
    "no token": ({"plexToken": ""}, "no Plex token is set"),
    "a wrong token": ({"plexToken": "wrong"}, 'Plex rejected the token (401). Check "Plex token".'),
    "a token with a newline": ({"plexToken": "a\nb"}, "characters that no token has"),
    "no address": ({"plexUrl": "ftp://plex"}, "Plex address"),
    "https where http is": ({"plexUrl": "https://127.0.0.1:{port}"}, "Use http://, or correct the port."),
    "another path": ({"plexUrl": "{url}/plex"}, "404"),
    "Plex's website": ({"plexUrl": "https://app.plex.tv/desktop/#!/"}, "is the address of Plex's website"),
    "no token in it": ({"plexToken": "{url}/web/index.html"}, "a text without a token in it"),
    "an unknown library": ({"plexLibraries": "Films, Cinema"}, "Cinema"),
    "a library of another type": ({"plexLibraries": "tv  shows"}, '"TV Shows" is of the type TV Shows'),
}


@pytest.mark.parametrize("name", SETUP)
def test_what_has_to_be_put_right(bench: Bench, name: str) -> None:
    """Each wrong setting is the last line, as an error that names the setting."""
    settings, says = SETUP[name]
    bench.plex.add_section("TV Shows", key=9, type="show")
    filled = {key: text.format(port=bench.plex.port, url=bench.plex.url) for key, text in settings.items()}
    bench.stash.configure(**filled)
    result = checked(bench)
    assert not result["ok"]
    assert bench.log.lines[-1] == ("error", result["lines"][-1])
    assert says in result["lines"][-1]


FAULTS = [
    "503_xml", "503_json", "500", "502", "504", "429", "408", "409", "400", "404", "stall", "reset", "reset_mid_body",
    "truncated_xml", "empty_200", "html_200", "redirect_302", "redirect_301",
]  # fmt: skip


PLACES = {"root": "^/$", "libraries": "^/library/sections$", "listing": "/all$"}


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        *((fault, "root") for fault in FAULTS),
        *((fault, place) for place in ("libraries", "listing") for fault in ("500", "404", "stall", "html_200")),
    ],
)
def test_every_failure_is_a_finding(bench: Bench, fault: str, place: str) -> None:
    """However and wherever Plex fails, there is one error line at the end, never a traceback."""
    bench.give_up_after(SOON if fault == "stall" else LATE)
    bench.named("Film")
    bench.plex.fault(fault, path=PLACES[place])
    result = checked(bench)
    assert not result["ok"]
    assert bench.log.lines[-1] == ("error", result["lines"][-1])
    assert "Plex" in result["lines"][-1]
    bench.plex.release()


@pytest.mark.parametrize("mode", ["expired_498", "refused_401"])
def test_a_token_that_is_no_longer_good(bench: Bench, mode: str) -> None:
    """An expired or rejected token is named as such."""
    bench.plex.modes.token_mode = mode
    assert "token" in checked(bench)["lines"][-1]


def test_no_library_of_movies(bench: Bench) -> None:
    """Without a library of the type Movies the finding says that PlexSync writes to no other type."""
    bench.plex.sections.clear()
    bench.plex.add_section("Music", key=3, type="artist")
    assert checked(bench)["lines"][-1].startswith("Plex has no library of the type Movies")


def test_plex_is_away(bench: Bench) -> None:
    """Nothing at the address is a finding that names the setting."""
    bench.plex.stop()
    assert checked(bench)["lines"] == [
        "Stash answers.",
        'Nothing answers at "Plex address". Check that Plex is running there.',
    ]


def test_stash_is_away(bench: Bench) -> None:
    """If Stash cannot be reached, as on the command line before any hook, the finding says what to do."""
    bench.stash.stop()
    result = checked(bench)
    assert not result["ok"]
    assert result["lines"][-1].endswith(
        "Open any page of Stash to renew PlexSync's connection, then run Check setup again."
    )


def test_odd_characters_in_a_listing(bench: Bench) -> None:
    """Control characters in a listing do not stop the check."""
    bench.named("Film")
    bench.plex.modes.bad_char_ref = True
    assert checked(bench)["ok"]

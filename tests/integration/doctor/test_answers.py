"""Each answer that a Plex may give: the doctor finds exactly that one, and everything is as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from plexsync.doctor import asks, examination
from plexsync.doctor.catalogue import NOT_ASKED, Question, questions
from plexsync.doctor.examination import Row
from plexsync.plex.images import image_digest
from tests.support.in_process import Bench

COVER = b"\xff\xd8\xff\xe0\x00\x10JFIF a cover"
#: The item's own picture, which Plex shows before and after.
FRAME = "media://frames/1.jpg"


class Case(NamedTuple):
    """A Plex that differs by ``modes``, and its answer to one question."""

    number: str
    answer: str
    modes: Mapping[str, Any] = MappingProxyType({})
    right: bool = True


def _excluded(xml: str, json: str) -> str:
    return f"XML: {xml}; JSON: {json}"


KEPT, DROPPED = "honoured, Media and Part kept", "ignored, Media and Part kept"
ALL = "sort=id {}, updatedAt>>= {}, mediaSize= {}"
YES, NO = "honoured", "ignored"

LISTS = [
    Case(number, answer, modes)
    for number, name in (("1a", "genre"), ("1b", "actor"), ("1c", "collection"))
    for answer, modes in (("appends", {}), ("replaces", {"replaces": {name}}))
]
ORDERS = [
    Case("2", "kept; a second write leaves it"),
    Case("2", "kept; a second write changes it", {"reorders": True}),
    Case("2", "kept; a second write changes it", {"replaces": {"actor"}}),
    Case("2", "reversed; a second write leaves it", {"tag_order": "reversed"}),
    Case("2", "reversed; a second write changes it", {"tag_order": "reversed", "replaces": {"actor"}}),
    Case("2", "alphabetical", {"tag_order": "sorted"}),
    Case("2", "alphabetical", {"tag_order": "sorted", "replaces": {"actor"}}),
]
LENGTHS = [Case("3", "at least 32,768")] + [
    Case(
        "3",
        f"{taken:,}, and {refused:,} is refused ({status})",
        {"max_request_line": limit, "long_line_status": status},
    )
    for taken, refused, limit, status in (
        (2048, 4096, 4095, 414),
        (4096, 7168, 5000, 400),
        (7168, 8192, 7168, 414),
        (8192, 16384, 8192, 400),
        (16384, 32768, 20000, 414),
    )
]
CLOCKS = [
    Case("4", f"item {'yes' if item else 'no'}, library {'yes' if library else 'no'}",
         {"edits_move_updated_at": item, "edits_move_clocks": library})
    for item in (True, False) for library in (True, False)
]  # fmt: skip
FILTERS = [
    Case("5", ALL.format(*(NO if name in ignored else YES for name in ("sort", "updatedAt", "mediaSize"))),
         {"ignored": ignored})
    for ignored in (set(), {"sort"}, {"updatedAt"}, {"mediaSize"}, {"sort", "updatedAt", "mediaSize"})
]  # fmt: skip
EXCLUDES = [
    Case("6", _excluded(KEPT, KEPT)),
    Case("6", _excluded(DROPPED, KEPT), {"excludes_ignored_in": {"xml"}}),
    Case("6", _excluded(KEPT, DROPPED), {"excludes_ignored_in": {"json"}}),
    Case("6", _excluded(DROPPED, DROPPED), {"honour_excludes": False}),
    Case("6", _excluded("honoured, Media lost", "honoured, Media lost"), {"excludes_drop": "Media"}),
    Case("6", _excluded("honoured, Part lost", "honoured, Part lost"), {"excludes_drop": "Part"}),
    Case("6", _excluded(KEPT, "not given"), {"json": False}),
]
DATES = [
    Case("7", "cleared"),
    Case("7", "ignored", {"empty_date": "ignored"}),
    Case("7", "refused (400)", {"empty_date": "400"}),
    Case("7", "refused (500)", {"empty_date": "500"}),
]
SCANS = [
    Case("8", "GET accepted; POST 404"),
    Case("8", "POST accepted; GET 404", {"refresh_method": "POST"}),
    Case("8", "GET and POST accepted", {"refresh_method": "both"}),
    Case("8", "GET 404; POST 404", {"refresh_method": "none"}, right=False),
]
UNKNOWN = [
    Case("9", "404"),
    Case("9", "200", {"unknown_id_404": False}),
    Case("9", "the whole library is edited (nothing changed in it)", {"unknown_id_all": True}),
]
TITLES = [
    Case("10a", "kept"),
    Case("10a", "cut to 255", {"title_limit": 255}),
    Case("10a", "refused (400)", {"title_limit": 255, "long_title_status": 400}),
    Case("10a", "refused (500)", {"title_limit": 255, "long_title_status": 500}),
    Case("10b", "stored"),
    Case("10b", "stripped", {"control_chars": "stripped"}),
    Case("10b", "refused (400)", {"control_chars": "400"}),
    Case("13", "follows"),
    Case("13", "stays", {"sort_title_stays": True}),
]
PICTURES = [
    Case("11", "the same entry"),
    Case("11", "a second entry", {"uploads_pile_up": True}),
    Case("14", "Photo; selected 1; ratingKey media://"),
    Case("14", "Photo; selected true; ratingKey media://", {"selected_marks": "words"}),
    Case("14", "Photo; selected not marked; ratingKey media://", {"selected_marks": "none"}, right=False),
    Case("14", "Photo; selected 1; key a path", {"photo_keys": "key"}, right=False),
]
FORMS = [
    Case("12", "ignored"),
    Case("12", "read", {"form_body": "read"}),
    Case("12", "read", {"form_body": "only"}),
    Case("12", "refused (400)", {"form_body": "400"}),
]
CASES = [
    *(*LISTS, *ORDERS, *LENGTHS, *CLOCKS, *FILTERS, *EXCLUDES, *DATES, *SCANS),
    *(*UNKNOWN, *TITLES, *PICTURES, *FORMS),
]
#: Whole servers, of one kind each.
SERVERS = {
    "appends": {},
    "replaces": {"tags_append": False, "reorders": True, "sort_title_stays": True, "upload_locks": True},
    "reversed": {"tags_append": False, "tag_order": "reversed", "edits_move_updated_at": False, "form_body": "only"},
    "sorted": {"tag_order": "sorted", "json": False, "ignored": {"updatedAt"}, "unknown_id_all": True},
    "strict": {"max_request_line": 4095, "empty_date": "500", "title_limit": 255, "control_chars": "400"},
    "bare": {"section_ids": False, "total_size": False, "json_default": True, "photo_keys": "key"},
}


class Patient:
    """A scene whose item in Plex has everything: lists in no order, locks, roles, a date and a picture of its own.

    ``others``: items of the same library, which nothing may touch.
    """

    def __init__(self, bench: Bench, **modes: Any) -> None:
        self.bench = bench
        bench.stash.configure(skipPoster=False)
        self.film = bench.film("A film", cover=COVER, date="2020-01-02")
        others = bench.films(2)
        for name, value in {
            "actors": ["Zoe", "Abe", "Mia"],
            "genres": ["Drama", "Art"],
            "collections": ["Mine"],
        }.items():
            for film in (self.film, *others):
                bench.plex.edit_item(film.item, **{name: list(value)})
        if modes.get("tag_order") == "sorted":
            bench.plex.edit_item(self.film.item, actors=["Abe", "Mia", "Zoe"], genres=["Art", "Drama"])
        bench.plex.edit_item(
            self.film.item, title="Mine", date="2019-03-04", summary="Two\nlines", locked={"title", "genre"},
            posters=[FRAME], selected_poster=FRAME, roles={"Abe": "The uncle"},
        )  # fmt: skip
        self.fault: Callable[[], object] = partial(self._become, modes)
        self.before = bench.plex.snapshot()

    def _become(self, modes: Mapping[str, Any]) -> None:
        """From now on Plex is of this kind."""
        for name, value in modes.items():
            setattr(self.bench.plex.modes, name, value)

    def asked(self, *numbers: str, risky: bool = True) -> dict[str, Row]:
        """The rows of an examination by their number, after which everything must be as it was."""
        app, folder = self.bench.app, str(self.bench.folder)
        self.said: list[str] = []
        self.asks_form = not numbers or "12" in numbers
        found = examination.find(app, self.film.scene)
        self.fault()
        rows = examination.examine(app, folder, found, self.said.append, risky=risky, numbers=numbers)
        self.check()
        return {row.number: row for row in rows}

    def check(self) -> None:
        """All items are as they were (the cover stays among the posters), and no request named another item."""
        now = self.bench.plex.snapshot()
        now[self.film.item]["posters"] = now[self.film.item]["posters"][:1]
        assert now == self.before
        assert self.bench.plex.disaster == (self.bench.plex.modes.form_body == "only" and self.asks_form)
        assert not (self.bench.folder / "doctor.json").exists()
        for request in self.bench.plex.log:
            if request.method not in ("GET", "HEAD") and "refresh" not in request.path:
                ids = request.param("id") or request.path.split("/")[3]
                assert int(ids) in (self.film.item, *asks.UNKNOWN_IDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number} {case.answer} {sorted(case.modes)}")
def test_every_answer(bench: Bench, case: Case) -> None:
    """The row has exactly this answer, and says whether PlexSync is right under it; all is put back."""
    row = Patient(bench, **case.modes).asked(case.number)[case.number]
    assert row.answer == case.answer
    assert row.means.startswith("right: ") == case.right


@pytest.mark.parametrize("modes", SERVERS.values(), ids=SERVERS)
def test_whole_servers(bench: Bench, modes: dict[str, Any]) -> None:
    """All questions in a row leave every item as it was, whatever kind of server that is."""
    rows = Patient(bench, **modes).asked()
    assert list(rows) == [question.number for question in known()]
    assert not [row for row in rows.values() if row.answer.startswith(NOT_ASKED)]


def known() -> tuple[Question, ...]:
    """The questions."""
    return questions(lambda: (b"", ""))


def test_no_known_answer_goes_untested() -> None:
    """Every answer that is not composed of others is among the cases."""
    tested = {(case.number, case.answer) for case in CASES}
    simple = [question for question in known() if question.number in ("1a", "1b", "1c", "2", "4", "9", "11", "13")]
    assert {(question.number, answer) for question in simple for answer in question.answers} <= tested


def test_what_is_risky_is_asked_by_request(bench: Bench) -> None:
    """Without --also-risky no control character is sent, and the table says so."""
    row = Patient(bench).asked("10b", risky=False)["10b"]
    assert (row.answer, row.means) == ("could not be asked: only with --also-risky", "not known")
    assert not [one for one in bench.plex.log if "%04" in one.target]


def test_an_upload_of_its_own_is_uploaded_again(bench: Bench) -> None:
    """If the poster is an upload, its own bytes are taken, and nothing stays behind."""
    patient = Patient(bench)
    own = b"\xff\xd8\xffown"
    bench.plex.model.store_image(bench.plex.items[patient.film.item], "posters", own, image_digest(own))
    patient.before = bench.plex.snapshot()
    found = examination.find(bench.app, patient.film.scene)
    rows = examination.examine(bench.app, str(bench.folder), found, lambda _: None, risky=False, numbers={"11"})
    assert rows[0].answer == "the same entry"
    assert bench.plex.snapshot() == patient.before


@pytest.mark.parametrize(
    ("kind", "number", "answer"),
    [
        ("500", "1a", "something else: status 500"),
        ("stall", "2", "could not be asked: no answer"),
        ("truncated_xml", "6", "could not be asked: the reply cannot be read"),
    ],
)
def test_a_question_that_fails(bench: Bench, kind: str, number: str, answer: str) -> None:
    """A question that Plex does not take is named with the reason, the others are asked, and all is put back."""
    patient = Patient(bench)
    if kind == "stall":
        bench.give_up_after(0.2)
    where = {"path": "/all", "query": "excludeElements"} if kind == "truncated_xml" else {"method": "PUT"}
    patient.fault = lambda: bench.plex.fault(kind, 1, **where)
    rows = patient.asked(number, "5")
    assert rows[number].answer == answer
    assert rows["5"].means.startswith("right: ")


def test_a_proxy_that_refuses_one_kind(bench: Bench) -> None:
    """Where Plex has taken other writes, a refused one is a question that could not be asked."""
    patient = Patient(bench)
    patient.fault = lambda: bench.plex.fault("403", 1, method="POST")
    rows = patient.asked("4", "11")
    assert rows["4"].means.startswith("right: ")
    assert rows["11"].answer == "could not be asked: Plex does not accept the token for this"


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("tv.plex.agents.movie", "tv.plex.agents.movie"),
        ("tv.plex.agents.custom.jane.doe", "tv.plex.agents.custom"),
        ("com.plexapp.agents.jane", "another"),
    ],
)
def test_what_is_told_of_the_library(bench: Bench, agent: str, told: str) -> None:
    """Plex's own agents are named; the name that somebody gave to one stays out of the table."""
    film = bench.film()
    bench.plex.sections[1].agent = agent
    found = examination.find(bench.app, film.scene)
    assert examination.describe(bench.app, found)["library"] == f"type movie, agent {told}"

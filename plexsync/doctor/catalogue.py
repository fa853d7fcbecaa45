"""The questions: what is asked, how the replies are read, and what each answer means for PlexSync. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plexsync.doctor import asks
from plexsync.doctor.asks import Noted
from plexsync.doctor.desk import Desk

RIGHT = "right"
ELSE = "something else: "
NOT_ASKED = "could not be asked: "


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``number``: as in the list of open questions; ``asks``: the question in words.

    ``send``: what is sent. ``read``: the answer by what was noted, one of ``answers`` or one that begins with ``ELSE``.
    ``because``: why PlexSync is right under every known answer but those of ``unless``, which say what has to change.
    ``risky``: asked only by request.
    """

    number: str
    asks: str
    send: Callable[[Desk], Noted]
    read: Callable[[Noted], str]
    answers: tuple[str, ...]
    because: str
    unless: Mapping[str, str] = field(default_factory=dict)
    risky: bool = False

    def means(self, answer: str) -> str:
        """Return what an answer means for PlexSync."""
        if answer.startswith(NOT_ASKED):
            return "not known"
        if answer not in self.answers:
            return "to be looked at"
        return self.unless.get(answer, f"{RIGHT}: {self.because}")


# -- reading


def _list(noted: Noted) -> str:
    refused = [status for status in noted["statuses"] if status >= 400]
    if refused:
        return f"{ELSE}status {refused[0]}"
    if not noted["second"]:
        return f"{ELSE}the tag is not there"
    return "appends" if noted["first"] else "replaces"


def _order(noted: Noted) -> str:
    first = {(0, 1, 2): "kept", (2, 1, 0): "reversed", (2, 0, 1): "alphabetical"}.get(noted["first"])
    second = noted["second"]
    if first is None or len(second) != len(noted["first"]):
        return f"{ELSE}{noted['first']} and then {second}"
    if first == "alphabetical":
        return first if second == noted["first"] else f"{ELSE}alphabetical, and then {second}"
    follows = {"kept": (1, 0, 2), "reversed": (2, 0, 1)}[first]
    if second == noted["first"]:
        return f"{first}; a second write leaves it"
    return f"{first}; a second write changes it" if second == follows else f"{ELSE}{first}, and then {second}"


def _length(noted: Noted) -> str:
    if not noted["refused"]:
        return f"at least {noted['taken']:,}"
    if not noted["taken"]:
        return f"{ELSE}{noted['refused']:,} is refused ({noted['why']})"
    return f"{noted['taken']:,}, and {noted['refused']:,} is refused ({noted['why']})"


def _clocks(noted: Noted) -> str:
    if noted["status"] >= 400:
        return f"{ELSE}status {noted['status']}"
    return f"item {'yes' if noted['item'] else 'no'}, library {'yes' if noted['library'] else 'no'}"


def _filters(noted: Noted) -> str:
    up, down = noted["up"], noted["down"]
    alone = len(up) < 2
    by_id = up == sorted(up) and down == sorted(down, reverse=True) and up != down
    sized = noted["sized"] is not None and noted["sized"] and not noted["none"]
    words = (
        f"sort=id {'cannot be told' if alone else _honoured(by_id)}",
        f"updatedAt>>= {_honoured(not noted['later'])}",
        f"mediaSize= {'cannot be told' if noted['sized'] is None else _honoured(sized)}",
    )
    return ", ".join(words)


def _honoured(yes: bool) -> str:
    return "honoured" if yes else "ignored"


def _excludes(noted: Noted) -> str:
    return "; ".join(f"{kind}: {_one_format(kind, noted[kind])}" for kind in ("XML", "JSON"))


def _one_format(kind: str, row: Mapping[str, bool]) -> str:
    if row["json"] != (kind == "JSON"):
        return "not given"
    lost = "Media" if not row["media"] else "Part" if not row["part"] else ""
    return f"{_honoured(row['excluded'])}, {f'{lost} lost' if lost else 'Media and Part kept'}"


def _date(noted: Noted) -> str:
    status, now = noted["status"], noted["now"]
    if status >= 400:
        return f"refused ({status})" if now == "kept" else f"{ELSE}status {status}, date {now}"
    return {"empty": "cleared", "kept": "ignored"}.get(now, f"{ELSE}another date")


def _refresh(noted: Noted) -> str:
    taken = [method for method in ("GET", "POST") if noted[method] < 300]
    refused = [f"{method} {noted[method]}" for method in ("GET", "POST") if noted[method] >= 300]
    return "; ".join([*([f"{' and '.join(taken)} accepted"] if taken else []), *refused])


def _unknown(noted: Noted) -> str:
    if noted["touched"]:
        return "the whole library is edited (nothing changed in it)"
    return str(noted["status"])


def _long(noted: Noted) -> str:
    if noted["status"] >= 400:
        return f"refused ({noted['status']})"
    if noted["kept"] in (asks.LONG, 255):
        return "kept" if noted["kept"] == asks.LONG else "cut to 255"
    return f"{ELSE}another title" if noted["kept"] < 0 else f"{ELSE}cut to {noted['kept']}"


def _control(noted: Noted) -> str:
    if noted["status"] >= 400:
        return f"refused ({noted['status']})"
    if noted["XML"] == noted["JSON"] != "gone":
        return str(noted["XML"])
    return f"{ELSE}XML {noted['XML']}, JSON {noted['JSON']}"


def _upload(noted: Noted) -> str:
    refused = [status for status in noted["statuses"] if status >= 400]
    if refused:
        return f"{ELSE}status {refused[0]}"
    return {0: "the same entry", 1: "a second entry"}.get(noted["more"], f"{ELSE}{noted['more']} entries more")


def _form(noted: Noted) -> str:
    if noted["status"] >= 400:
        return f"refused ({noted['status']})" if not noted["removed"] else f"{ELSE}{noted['status']}, but read"
    return "read" if noted["removed"] else "ignored"


def _sort(noted: Noted) -> str:
    told = {one["told"] for one in noted["seen"]}
    if told == {"new"}:
        return "follows"
    if told == {"old"} or told == {"other"}:
        return "stays"
    if told != {"nothing"}:
        return f"{ELSE}told {' and '.join(sorted(told))}"
    top = {one["top"] for one in noted["seen"]}
    if noted["alone"] or len(top) > 1:
        return f"{NOT_ASKED}Plex tells no sort title, and the order does not show it"
    return "follows" if top == {True} else "stays"


def _posters(noted: Noted) -> str:
    if not noted["elements"]:
        return f"{NOT_ASKED}the item has no posters"
    marks = {"none": "not marked"}.get("/".join(noted["marks"]), "/".join(noted["marks"]))
    return f"{', '.join(noted['elements'])}; selected {marks}; {', '.join(noted['names'])}"


# -- the answers that are composed of several


def _product(*words: tuple[str, ...]) -> tuple[str, ...]:
    found: tuple[str, ...] = ("",)
    for choices in words:
        found = tuple(f"{before}{choice}" for before in found for choice in choices)
    return found


_HONOURED = ("honoured", "ignored", "cannot be told")
_FORMATS = (
    *(
        f"{honoured}, {kept}"
        for honoured in _HONOURED[:2]
        for kept in ("Media and Part kept", "Media lost", "Part lost")
    ),
    "not given",
)
_ORDERS = (
    *(f"{order}; a second write {what}" for order in ("kept", "reversed") for what in ("leaves it", "changes it")),
    "alphabetical",
)
_REFUSALS = ("400", "404", "405", "413", "414", "431", "500", "501", "no answer")
_LENGTHS = (
    f"at least {asks.LENGTHS[-1]:,}",
    *(
        f"{taken:,}, and {refused:,} is refused ({why})"
        for taken, refused in zip(asks.LENGTHS, asks.LENGTHS[1:], strict=False)
        for why in _REFUSALS
    ),
)
_REFUSED = ("refused (400)", "refused (500)")
_EXCLUDED = _product(("XML: ",), _FORMATS, ("; JSON: ",), _FORMATS)
_SCANS = (
    "GET and POST accepted",
    *(f"GET accepted; POST {status}" for status in (404, 405)),
    *(f"POST accepted; GET {status}" for status in (404, 405)),
    *(f"GET {status}; POST {status}" for status in (404, 405)),
)
_NAMES = ("ratingKey upload:// with SHA-1", "ratingKey media://", "ratingKey metadata://", "key a path with SHA-1")
_EVERY_NAME = tuple(
    ", ".join(name for bit, name in enumerate(sorted(_NAMES)) if number >> bit & 1) for number in range(1, 16)
)
_MARKS = ("selected 0/1; ", "selected 1; ", "selected 0; ", "selected false/true; ", "selected true; ")


def questions(own: Callable[[], tuple[bytes, str]]) -> tuple[Question, ...]:
    """Return every question in the order of asking. ``own``: the cover that PlexSync would upload, and its type."""
    return (*_edits(), *_reads(), *_pictures(own))


def _edits() -> tuple[Question, ...]:
    lists = "it sends the whole list and removes what has to go"
    named = (("1a", "genre"), ("1b", "actor"), ("1c", "collection"))
    return (
        Question(
            *("4", "Does an edit move updatedAt of the item, and the clocks of the library?", asks.clocks, _clocks),
            _product(("item yes", "item no"), (", library yes", ", library no")),
            "it reads an item in full before each write, and every item it wrote within a week",
        ),
        *(
            Question(
                number,
                f"Does an edit of {name} append to the list, or replace it?",
                *(asks.one_list(name), _list, ("appends", "replaces"), lists),
            )
            for number, name in named
        ),
        Question(
            *("2", "In which order are actors kept?", asks.order_of_actors, _order, _ORDERS),
            "it compares lists without their order",
        ),
        Question(
            *("3", "How long may a request line be?", asks.request_line, _length, _LENGTHS),
            "it sends up to 4,096 characters, one field alone up to 7,168, and shortens what is refused",
        ),
        Question(
            *("7", "Does an empty date clear it?", asks.empty_date, _date, ("cleared", *_REFUSED, "ignored")),
            "it reads back, and tells of a date that stays",
        ),
        Question(
            *("9", "What does Plex answer to an edit of an unknown id?", asks.unknown_id, _unknown),
            ("200", "404", "the whole library is edited (nothing changed in it)"),
            "it reads an item before each edit and after it, and looks for the file if the item is gone",
        ),
        *_titles(),
    )


def _titles() -> tuple[Question, ...]:
    return (
        Question(
            *("10a", f"What becomes of a title of {asks.LONG} characters?", asks.long_title, _long),
            ("kept", "cut to 255", *_REFUSED),
            "it sends at most 255",
        ),
        Question(
            *("10b", "What becomes of a control character?", asks.control_character, _control),
            ("stored", "stripped", *_REFUSED),
            "it sends none, and reads pages that have one",
            risky=True,
        ),
        Question(
            *("12", "Does Plex read an edit from a form's body?", asks.form_body, _form),
            ("read", "ignored", *_REFUSED),
            "it sends none",
        ),
        Question(
            *("13", "Does the sort title follow the title?", asks.sort_title, _sort, ("follows", "stays")),
            "it neither writes nor relies on the sort title",
        ),
    )


def _reads() -> tuple[Question, ...]:
    return (
        Question(
            *("5", "Are sort=id, updatedAt>>= and mediaSize= honoured?", asks.filters, _filters),
            _product(("sort=id ",), _HONOURED, (", updatedAt>>= ",), _HONOURED[:2], (", mediaSize= ",), _HONOURED),
            "it checks each row, and lists again where rows are missing",
        ),
        Question(
            *("6", "Are excludes honoured, and Media and Part kept?", asks.excludes, _excludes, _EXCLUDED),
            "it takes either format, and lists again without excludes where no row has a file",
        ),
        Question(
            *("8", "Which request starts a scan?", asks.refresh, _refresh, _SCANS),
            "it tries GET, and POST after 404 or 405",
            unless=dict.fromkeys(_SCANS[-2:], "has to change: Scan for missing files has no effect"),
        ),
    )


def _pictures(own: Callable[[], tuple[bytes, str]]) -> tuple[Question, ...]:
    return (
        Question(
            *("11", "Does the same upload again make a second entry?", asks.same_upload(own), _upload),
            ("the same entry", "a second entry"),
            "it uploads a picture only when its bytes have changed",
        ),
        Question(
            *("14", "What does the selected poster look like?", asks.posters, _posters),
            _product(("Photo; ",), _MARKS, _EVERY_NAME),
            "it knows these marks, and an upload by its SHA-1",
        ),
    )

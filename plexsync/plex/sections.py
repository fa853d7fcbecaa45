"""Find the libraries that the setting "Plex libraries" names. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from plexsync.model.errors import LibraryUnknown
from plexsync.model.item import MOVIES, Section

#: Plex's types of libraries -> how its page names them. "Other Videos" libraries are of the type Movies.
TYPE_NAMES = {MOVIES: "Movies", "show": "TV Shows", "artist": "Music", "photo": "Photos"}
#: The sentence for a Plex without a library that PlexSync can write to.
NO_MOVIES = (
    "Plex has no library of the type Movies, the only type that PlexSync writes to. Create one in Plex:"
    " Other Videos, which is of that type, is usually the right choice."
)
_SEPARATORS = re.compile(r"[,;\n\uff0c\uff1b\u3001]")
#: Signs that look alike, and are typed for each other.
_ALIKE = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
)


def of_movies(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Return the sections of the type Movies, the only ones that PlexSync syncs."""
    return tuple(section for section in sections if section.type == MOVIES)


def choose(sections: Sequence[Section], names: Sequence[str]) -> tuple[Section, ...]:
    """Return the sections of the type Movies with these titles; without ``names``, all of that type.

    Case, blanks, the Unicode form, and which quotes and dashes are used do not matter, unless titles differ in nothing
    else. ``names`` were split at commas, so several in a row may be one title with commas. Raise ``LibraryUnknown``,
    which lists the libraries that exist, for a name that no section has, or only one of another type.
    """
    rest = [name for name in names if name.strip()]
    if not rest:
        return of_movies(sections)
    chosen: set[int] = set()
    others: list[Section] = []
    unknown: list[str] = []
    while rest:
        count, found = _longest(rest, sections)
        chosen |= {section.key for section in of_movies(found)}
        others += [section for section in found if section.type != MOVIES]
        unknown += [] if found else [rest[0]]
        rest = rest[count:]
    if unknown or others:
        raise LibraryUnknown(_problem(unknown, others, of_movies(sections)))
    return tuple(section for section in sections if section.key in chosen)


def _longest(names: Sequence[str], sections: Sequence[Section]) -> tuple[int, list[Section]]:
    """Return how many of the first names are one title, and the sections with that title; one name and none if none."""
    for count in range(len(names), 0, -1):
        if found := _titled(",".join(names[:count]), sections):
            return count, found
    return 1, []


def _titled(name: str, sections: Sequence[Section]) -> list[Section]:
    """Return the sections with the title ``name``: spelled so, else in another spelling, else of another type."""
    spelled: Callable[[str], str]
    for group in (of_movies(sections), sections):
        for spelled in (_spelling, _folded):
            if found := [section for section in group if spelled(section.title) == spelled(name)]:
                return found
    return []


def _spelling(title: str) -> str:
    """Return a title in NFC, without blanks at the ends and around commas."""
    parts = _SEPARATORS.split(unicodedata.normalize("NFC", title))
    return ",".join(" ".join(part.split()) for part in parts)


def _folded(title: str) -> str:
    """Return a title without case, blanks, invisible characters, and differences that are hard to see."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold()).translate(_ALIKE)
    text = "".join(char for char in text if not char.isspace() and unicodedata.category(char) != "Cf")
    return ",".join(part.strip("\"'") for part in _SEPARATORS.split(text))


def _problem(unknown: Sequence[str], others: Sequence[Section], movies: Sequence[Section]) -> str:
    sentences = []
    if others:
        kinds = ", ".join(f'"{other.title}" is of the type {_type_name(other)}' for other in others)
        sentences.append(
            f"The library {kinds}; PlexSync syncs only libraries of the type Movies (Other Videos is of that type)."
        )
    if unknown:
        sentences.append("Plex has no movie library " + " or ".join(f'"{name}"' for name in unknown) + ".")
    listed = ", ".join(f'"{section.title}"' for section in movies) or "none"
    sentences.append(f"{'Its' if unknown else 'Usable'} movie libraries: {listed}.")
    return " ".join([*sentences, 'Correct "Plex libraries", or leave it empty to use all of them.'])


def _type_name(section: Section) -> str:
    return TYPE_NAMES.get(section.type, f'"{section.type}"')

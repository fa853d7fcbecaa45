"""Which libraries ``plexLibraries`` means. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from plexsync.model.errors import SetupError
from plexsync.model.item import Section


def choose(sections: Sequence[Section], names: Sequence[str]) -> tuple[Section, ...]:
    """The sections of these names (case and blanks aside), all of them for no names.

    ``names`` were split at commas, so several in a row may be one title that has commas in it. Raises SetupError
    ``library``, which lists the known ones, if a name fits none.
    """
    rest = [name.strip() for name in names if name.strip()]
    if not rest:
        return tuple(sections)
    known = {_plain_title(section.title) for section in sections}
    wanted, unknown = set(), []
    while rest:
        fitting = (count for count in range(len(rest), 0, -1) if _plain_title(",".join(rest[:count])) in known)
        count = next(fitting, 0)
        if count:
            wanted.add(_plain_title(",".join(rest[:count])))
        else:
            unknown.append(rest[0])
        rest = rest[max(count, 1) :]
    if unknown:
        listed = ", ".join(f'"{section.title}"' for section in sections) or "none of movie type"
        missing = ", ".join(f'"{name}"' for name in unknown)
        raise SetupError(
            f"plexLibraries names {missing}, which Plex does not have. It has: {listed}."
            " Correct plexLibraries, or empty it to use them all.",
            code="library",
        )
    return tuple(section for section in sections if _plain_title(section.title) in wanted)


def _plain_title(title: str) -> str:
    """A title without case, and without blanks at its ends and around its commas."""
    return ",".join(part.strip() for part in title.casefold().split(","))

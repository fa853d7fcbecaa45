"""Find the libraries that the setting "Plex libraries" names. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from plexsync.model.errors import SetupError
from plexsync.model.item import Section


def choose(sections: Sequence[Section], names: Sequence[str]) -> tuple[Section, ...]:
    """Return the sections with these titles, case and blanks aside; without ``names``, all of them.

    ``names`` were split at commas, so several in a row may be one title with commas. Raise ``SetupError``, which lists
    the libraries that exist, for a name that no section has.
    """
    rest = [name.strip() for name in names if name.strip()]
    if not rest:
        return tuple(sections)
    known = {_plain_title(section.title) for section in sections}
    chosen, unknown = set(), []
    while rest:
        fitting = (count for count in range(len(rest), 0, -1) if _plain_title(",".join(rest[:count])) in known)
        count = next(fitting, 0)
        if count:
            chosen.add(_plain_title(",".join(rest[:count])))
        else:
            unknown.append(rest[0])
        rest = rest[max(count, 1) :]
    if unknown:
        listed = ", ".join(f'"{section.title}"' for section in sections) or "none"
        missing = " or ".join(f'"{name}"' for name in unknown)
        raise SetupError(
            f"Plex has no movie library {missing}. Its movie libraries: {listed}."
            ' Correct "Plex libraries", or leave it empty to use all of them.'
        )
    return tuple(section for section in sections if _plain_title(section.title) in chosen)


def _plain_title(title: str) -> str:
    """Return a title in lower case, without blanks at the ends and around commas."""
    return ",".join(part.strip() for part in title.casefold().split(","))

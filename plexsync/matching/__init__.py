"""Find the items in Plex that a scene is. Pure: imports only ``model``. The names below are the package's API."""

from plexsync.matching.match import (
    RULES,
    Rule,
    confirm,
    match,
    names_to_ask,
    sizes_to_ask,
    unambiguous_pairs,
    write_targets,
)
from plexsync.matching.model import Candidate, Confidence, Evidence, Known, LibraryView, Match, Remembered, Rival
from plexsync.matching.reasons import why_no_choice

__all__ = [
    "RULES",
    "Candidate",
    "Confidence",
    "Evidence",
    "Known",
    "LibraryView",
    "Match",
    "Remembered",
    "Rival",
    "Rule",
    "confirm",
    "match",
    "names_to_ask",
    "sizes_to_ask",
    "unambiguous_pairs",
    "why_no_choice",
    "write_targets",
]

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
    "write_targets",
]

"""Which item in Plex a scene belongs to. Pure: imports ``model`` alone. What other packages use of it is named here."""

from plexsync.matching.match import (
    RULES,
    Rule,
    alike,
    confirm,
    match,
    questions,
    unambiguous_pairs,
    write_targets,
)
from plexsync.matching.model import Candidate, Confidence, Evidence, Known, Match, Remembered, Rival, View

__all__ = [
    "RULES",
    "Candidate",
    "Confidence",
    "Evidence",
    "Known",
    "Match",
    "Remembered",
    "Rival",
    "Rule",
    "View",
    "alike",
    "confirm",
    "match",
    "questions",
    "unambiguous_pairs",
    "write_targets",
]

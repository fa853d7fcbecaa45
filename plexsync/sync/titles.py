"""The titles of items, for the people who choose between them. The index does not keep them."""

from __future__ import annotations

from collections.abc import Iterable

from plexsync.model.errors import PlexBusy, PlexUnavailable, Refused
from plexsync.state.gates import READ
from plexsync.sync.planner import Planner
from plexsync.sync.reading import impatient

#: Items of one batch whose titles are read: one request.
MOST = 400


def titles(planner: Planner, rating_keys: Iterable[int]) -> dict[int, str]:
    """Return rating key -> title of the first ``MOST`` of these items; one that cannot be read is absent.

    Raise ``PlexUnavailable`` or ``SetupError`` only if Plex as a whole fails.
    """
    keys = list(dict.fromkeys(rating_keys))[:MOST]
    if not keys or planner.kinds.is_paused(READ):
        return {}
    try:
        with impatient(planner.client.session):
            return {key: item.title for key, item in planner.client.items(keys).items()}
    except (PlexBusy, Refused):
        return {}
    except PlexUnavailable:
        planner.probe()
        return {}

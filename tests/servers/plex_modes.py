"""The switches and faults of the Plex test server: how it differs, today, from a well-behaved Plex. No I/O."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

FAULT_KINDS = frozenset(
    {
        *("503_xml", "503_json", "500", "502", "504", "429", "408", "409", "400", "401", "403", "404", "413"),
        *("401_proxy", "403_proxy", "404_proxy", "413_proxy", "500_proxy", "empty_container"),
        *("stall", "reset", "reset_mid_body", "truncated_xml", "empty_200", "html_200", "redirect_302", "redirect_301"),
    }
)


@dataclass(slots=True)
class Modes:
    """Every plausible way in which one Plex differs from another. Delays are seconds.

    tags_append: an indexed tag list adds to what is there (False: replaces it). json: JSON to those who accept it.
    truncate_tags: listings cut tags to 2 genres, 3 roles, 2 collections. honour_excludes: excludeElements and
    excludeFields are obeyed. page_size_required: 400 for a listing without X-Plex-Container-Size or above 1000.
    fewer_rows: no page has more rows than this. total_size: listings tell totalSize. title_sort_default: unsorted
    listings are in title order (False: by id). hide_updated_at: rows have no updatedAt. bad_char_ref: each page has
    ``&#4;`` in it. max_request_line: longer request lines get 414. list_404: 404 for a comma list with one missing id.
    unknown_id_404: an edit of no existing item is 404 (False: 200). keep_differently: (field, value) -> what is stored.
    edits_move_updated_at, edits_move_clocks: whether an edit shows in the item's and the section's clocks.
    token_mode: required, allowed_network, expired_498, refused_401, forbidden_writes_403.
    refresh_method: GET, POST, both or none.
    drop_updates: edits answer 200 and change nothing. upload_locks: an upload locks thumb or art by itself.
    edit_delay, poster_delay: the request is carried out after the delay even if its client went away.
    total_off: added to the totalSize of every listing. first_page_only: every page begins at the first row.
    locks_stick: locks are kept (False: accepted and forgotten).
    lose_rows: so many of the last rows are missing from every listing, and from its total. max_ids: a read that names
    more items gets 414. section_ids: replies about items name their section. json_default: JSON unless asked for XML.
    max_named: a reply names no more items than this. close_kept: a kept connection is closed without a reply when the
    next request has come.
    pictures_unset: a picture can be taken away without another (False: 404).
    replaces: the tag types whose lists are replaced even if others are appended. tag_order: kept, reversed or sorted,
    the order of the tags that an edit brings. reorders: a tag that is written again moves to its new place.
    long_line_status: what a request line beyond max_request_line gets. ignored: which of sort, updatedAt and mediaSize
    listings ignore. excludes_ignored_in: the formats (json, xml) in which excludes are ignored. excludes_drop: what
    they drop though nobody asked, Media or Part. empty_date: clears, ignored, 400 or 500. unknown_id_all: an edit of an
    unknown id edits the whole section. title_limit: longer titles are cut, or with long_title_status refused.
    control_chars: stored, stripped or 400. uploads_pile_up: the same upload makes another entry. form_body: ignored,
    read, only (the query is then not read) or 400. sort_title_stays: a new title leaves the sort title.
    selected_marks: digits, words or none. photo_keys: ratingKey, or key alone.
    ignore_filters: listings are never filtered. marked: Plex's own replies have the header that marks them.
    """

    tags_append: bool = True
    json: bool = True
    truncate_tags: bool = True
    honour_excludes: bool = True
    page_size_required: bool = False
    fewer_rows: int | None = None
    total_size: bool = True
    title_sort_default: bool = True
    hide_updated_at: bool = False
    bad_char_ref: bool = False
    max_request_line: int | None = None
    list_404: bool = False
    unknown_id_404: bool = True
    unknown_field_400: bool = True
    bad_date_500: bool = True
    reject_values: dict[str, str] = field(default_factory=dict)
    capitalise_collections: bool = False
    keep_differently: Callable[[str, str], str] | None = None
    edits_move_updated_at: bool = True
    edits_move_clocks: bool = True
    token_mode: str = "required"
    refresh_method: str = "GET"
    drop_updates: bool = False
    locks_stick: bool = True
    upload_locks: bool = False
    edit_delay: float = 0.0
    poster_delay: float = 0.0
    read_delay: float = 0.0
    total_off: int = 0
    first_page_only: bool = False
    lose_rows: int = 0
    max_ids: int | None = None
    section_ids: bool = True
    json_default: bool = False
    max_named: int | None = None
    close_kept: bool = False
    ignore_filters: bool = False
    pictures_unset: bool = True
    marked: bool = True
    replaces: frozenset[str] = frozenset()
    tag_order: str = "kept"
    reorders: bool = False
    long_line_status: int = 414
    ignored: frozenset[str] = frozenset()
    excludes_ignored_in: frozenset[str] = frozenset()
    excludes_drop: str = ""
    empty_date: str = "clears"
    unknown_id_all: bool = False
    title_limit: int | None = None
    long_title_status: int = 0
    control_chars: str = "stored"
    uploads_pile_up: bool = False
    form_body: str = "ignored"
    sort_title_stays: bool = False
    selected_marks: str = "digits"
    photo_keys: str = "ratingKey"


@dataclass(slots=True)
class Fault:
    """One way to fail, for requests that fit; ``left`` is how many more, None for ever."""

    kind: str
    left: int | None = None
    path: re.Pattern[str] | None = None
    method: str | None = None
    query: re.Pattern[str] | None = None

    def fits(self, method: str, path: str, query: str) -> bool:
        """Whether this request is to fail; ``query`` is decoded ``key=value&...`` text."""
        return (
            (self.method is None or self.method == method)
            and (self.path is None or bool(self.path.search(path)))
            and (self.query is None or bool(self.query.search(query)))
        )


class FaultBoard:
    """The faults that are set, oldest first; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Set one more fault; ValueError for an unknown kind."""
        if fault.kind not in FAULT_KINDS:
            raise ValueError(f"unknown fault {fault.kind!r}; known: {', '.join(sorted(FAULT_KINDS))}")
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str, query: str) -> str | None:
        """The kind of fault for this request, or None; counts it down."""
        with self._lock:
            for fault in self._faults:
                if not fault.fits(method, path, query):
                    continue
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left <= 0:
                        self._faults.remove(fault)
                return fault.kind
        return None

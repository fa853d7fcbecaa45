"""Which rows a Stash filter selects: criteria turned into predicates with SQLite's comparison rules.

Owns the meaning of ``scene_filter`` and its relatives, of sorting and of paging. Must not know HTTP or how a request
is parsed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from operator import attrgetter
from typing import Any

from tests.servers.graphql_run import ResolverError
from tests.servers.stash_model import Entity, Scene, Store, VideoFile

Test = Callable[[Any], bool]
Criterion = dict[str, Any]
_SORTS = {"id", "created_at", "updated_at", "path", "title", "date", "name", "file_mod_time", "filesize", "duration"}


def like(pattern: str, *, anywhere: bool) -> Callable[[str], bool]:
    """SQLite's LIKE: letter case of ASCII does not count; ``%`` and ``_`` are wildcards even when a path has them."""
    folded = _fold(pattern)
    if "%" not in pattern and "_" not in pattern:
        return (lambda text: folded in _fold(text)) if anywhere else (lambda text: folded == _fold(text))
    body = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in folded)
    search = re.compile(f".*{body}.*" if anywhere else body, re.DOTALL).fullmatch
    return lambda text: search(_fold(text)) is not None


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else re.sub("[A-Z]+", lambda found: found[0].lower(), text)


def text_test(criterion: Criterion) -> Callable[[str], bool]:
    """A ``StringCriterionInput``. INCLUDES takes unquoted words one by one (any of them), a quoted text as a whole."""
    value, modifier = criterion.get("value") or "", criterion["modifier"]
    if modifier in ("INCLUDES", "EXCLUDES"):
        whole = value.strip().strip('"')
        words = re.split(r"\s+", whole) if whole == value.strip() else [whole]
        tests = [like(word, anywhere=True) for word in words]
        return _negated(lambda text: any(test(text) for test in tests), modifier == "EXCLUDES")
    if modifier in ("EQUALS", "NOT_EQUALS"):
        return _negated(like(value, anywhere=False), modifier == "NOT_EQUALS")
    if modifier in ("MATCHES_REGEX", "NOT_MATCHES_REGEX"):
        try:
            search = re.compile(value).search
        except re.error as error:
            raise ResolverError(f"error parsing regexp: {error}") from error
        return _negated(lambda text: search(text) is not None, modifier.startswith("NOT"))
    if modifier in ("IS_NULL", "NOT_NULL"):
        return _negated(lambda text: not text.strip(), modifier == "NOT_NULL")
    raise ResolverError(f"unsupported string filter modifier {modifier}")


def _negated(test: Callable[[str], bool], negate: bool) -> Callable[[str], bool]:
    return (lambda text: not test(text)) if negate else test


def order_test(criterion: Criterion, default_upper: Any) -> Callable[[Any], bool]:
    """An integer or timestamp criterion; timestamps are compared as the text they are stored as."""
    low, modifier = criterion["value"], criterion["modifier"]
    high = criterion.get("value2")
    high = default_upper if high is None else high
    tests: dict[str, Callable[[Any], bool]] = {
        "EQUALS": lambda value: value == low,
        "NOT_EQUALS": lambda value: value != low,
        "GREATER_THAN": lambda value: value > low,
        "LESS_THAN": lambda value: value < low,
        "BETWEEN": lambda value: low <= value <= high,
        "NOT_BETWEEN": lambda value: not low <= value <= high,
        "IS_NULL": lambda value: value is None,
        "NOT_NULL": lambda value: value is not None,
    }
    if modifier not in tests:
        raise ResolverError(f"unsupported modifier {modifier}")
    return tests[modifier]


def ids_test(criterion: Criterion) -> Callable[[Collection[int]], bool]:
    """A multi criterion over the ids that a row is related to; ``depth`` is not followed."""
    wanted = {int(one) for one in criterion.get("value") or ()}
    excluded = {int(one) for one in criterion.get("excludes") or ()}
    modifier = criterion["modifier"]
    tests: dict[str, Callable[[Collection[int]], bool]] = {
        "INCLUDES": lambda ids: not wanted or not wanted.isdisjoint(ids),
        "INCLUDES_ALL": lambda ids: wanted <= set(ids),
        "EQUALS": lambda ids: wanted == set(ids),
        "EXCLUDES": wanted.isdisjoint,
        "IS_NULL": lambda ids: not ids,
        "NOT_NULL": bool,
    }
    if modifier not in tests:
        raise ResolverError(f"unsupported modifier {modifier}")
    test = tests[modifier]
    return lambda ids: test(ids) and excluded.isdisjoint(ids)


class Filters:
    """Compiles the filters of one store's rows."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _tree(self, given: Criterion, leaf: Callable[[str, Any], Test]) -> Test | None:
        """Own criteria AND-ed, then the one of AND, OR, NOT that is there."""
        nested = [name for name in ("AND", "OR", "NOT") if given.get(name) is not None]
        if len(nested) > 1:
            raise ResolverError("cannot have two of AND, OR and NOT in one filter")
        tests = [leaf(key, value) for key, value in given.items() if key not in nested and value is not None]
        own = _all_of(tests)
        inner = self._tree(given[nested[0]], leaf) if nested else None
        if inner is None:
            return own
        sub: Test = (lambda row: not inner(row)) if nested[0] == "NOT" else inner
        if own is None:
            return sub
        if nested[0] == "OR":
            return lambda row: own(row) or sub(row)
        return lambda row: own(row) and sub(row)

    def scene(self, given: Criterion) -> Test | None:
        """The predicate of a ``SceneFilterType``; None where it selects all."""
        return self._tree(given, self._scene_leaf)

    def entity(self, kind: str, given: Criterion) -> Test | None:
        """The predicate of a studio, performer or tag filter."""

        def leaf(key: str, value: Any) -> Test:
            if key == "scenes_filter":
                return self._used_by(kind, self.scene(value))
            return self._plain(key, value)

        return self._tree(given, leaf)

    def _used_by(self, kind: str, test: Test | None) -> Test:
        found: set[int] = set()
        for one in self.store.scenes.values():
            if test is None or test(one):
                found.update(_related(one, kind))
        return lambda row: row.id in found

    def _plain(self, key: str, value: Any) -> Test:
        read = attrgetter(key)
        if key in ("updated_at", "created_at", "mod_time"):
            compare = order_test(value, self.store.stamp(self.store.now() + timedelta(days=1)))
            return lambda row: compare(read(row))
        if key == "organized":
            return lambda row: row.organized is value
        if key in ("id", "rating100"):
            compare = order_test(value, 0)
            return lambda row: compare(read(row))
        if key in ("name", "title", "details", "basename", "path", "date", "code", "director"):
            match = text_test(value)
            return lambda row: match(read(row))
        raise ResolverError(f"the test server does not know the filter {key}")

    def _scene_leaf(self, key: str, value: Any) -> Test:
        if key == "path":
            match = text_test(value)
            return lambda scene: any(match(one.path) for one in scene.files)
        if key == "duration":
            lasts = order_test(value, 0)
            return lambda scene: any(lasts(int(one.duration)) for one in scene.files)
        if key in ("performers", "tags"):
            among = ids_test(value)
            return (lambda scene: among(scene.performers)) if key == "performers" else lambda scene: among(scene.tags)
        if key == "studios":
            among = ids_test(value)
            return lambda scene: among([] if scene.studio is None else [scene.studio])
        if key == "files_filter":
            test = self._tree(value, self._plain) or _always
            return lambda scene: any(test(one) for one in scene.files)
        if key in ("performers_filter", "studios_filter", "tags_filter"):
            return self._related_to(key.removesuffix("s_filter"), value)
        if key == "is_missing":
            return _missing(value)
        if key == "stash_id_endpoint":
            return _stash_id(value)
        return self._plain(key, value)

    def _related_to(self, kind: str, given: Criterion) -> Test:
        test = self.entity(kind, given) or _always
        chosen = {number for number, row in self.store.table(kind).items() if test(row)}
        return lambda scene: not chosen.isdisjoint(_related(scene, kind))


def _always(_: Any) -> bool:
    return True


def _all_of(tests: list[Test]) -> Test | None:
    if len(tests) <= 1:
        return tests[0] if tests else None
    return lambda row: all(test(row) for test in tests)


def _related(scene: Scene, kind: str) -> list[int]:
    if kind == "studio":
        return [] if scene.studio is None else [scene.studio]
    return scene.performers if kind == "performer" else scene.tags


def _missing(what: str) -> Test:
    names = {"stash_id": "stash_ids", "url": "urls"}
    if what not in ("cover", "studio", "performers", "tags", "title", "details", "date", "stash_id", "url"):
        raise ResolverError(f"the test server does not know is_missing {what}")
    read = attrgetter(names.get(what, what))
    return lambda scene: not read(scene)


def _stash_id(given: Criterion) -> Test:
    endpoint, wanted, modifier = given.get("endpoint"), given.get("stash_id"), given["modifier"]

    def has(scene: Scene) -> bool:
        return any(
            (not endpoint or at == endpoint) and (modifier in ("IS_NULL", "NOT_NULL") or not wanted or one == wanted)
            for at, one in scene.stash_ids
        )

    return (lambda scene: not has(scene)) if modifier in ("IS_NULL", "NOT_EQUALS", "EXCLUDES") else has


def _sort_key(sort: str) -> Callable[[Any], Any]:
    def first(row: Any, name: str, empty: Any) -> Any:
        files: list[VideoFile] = row.files
        return getattr(files[0], name) if files else empty

    names = {"file_mod_time": ("mod_time", ""), "filesize": ("size", 0), "duration": ("duration", 0.0)}
    if sort in names:
        name, empty = names[sort]
        return lambda row: first(row, name, empty)
    return attrgetter(sort)


def _sorts(rows: list[Any], sort: str) -> bool:
    """Whether such rows can be sorted so."""
    return sort in _SORTS and (not rows or sort.startswith("file") or sort == "duration" or hasattr(rows[0], sort))


def _shuffled(sort: str) -> Callable[[Any], bytes]:
    """Stash's ``random_<seed>``: an order that seems random and is the same as long as the seed is."""
    seed = sort.removeprefix("random_")
    if not (seed.isascii() and seed.isdigit()):
        raise ResolverError(f"invalid random seed: {seed}")
    return lambda row: hashlib.sha256(f"{seed} {row.id}".encode()).digest()


def page(rows: list[Any], given: Criterion | None) -> list[Any]:
    """Sort and cut ``rows`` (in id order) by a ``FindFilterType``: 25 a page unless told, -1 all, 0 none."""
    given = given or {}
    sort, per_page = given.get("sort") or "id", given.get("per_page")
    per_page = 25 if per_page is None else per_page
    shuffled = _shuffled(sort) if sort.startswith("random_") else None
    if shuffled is None and not _sorts(rows, sort):
        raise ResolverError(f"invalid sort: {sort}")
    if per_page == 0:
        return []
    if sort != "id":
        rows = sorted(rows, key=shuffled or _sort_key(sort), reverse=given.get("direction") == "DESC")
    elif given.get("direction") == "DESC":
        rows = rows[::-1]
    start = 0 if per_page < 0 else (max(given.get("page") or 1, 1) - 1) * per_page
    return rows if per_page < 0 else rows[start : start + per_page]


def searched(rows: list[Any], text: str | None) -> list[Any]:
    """``filter.q``: every word must occur in a title, name, detail or path."""
    words = [like(word.strip('"'), anywhere=True) for word in (text or "").split()]
    if not words:
        return rows

    def hay(row: Any) -> str:
        if isinstance(row, Entity):
            return row.name
        return "\n".join([row.title, row.details, *(one.path for one in row.files)])

    return [row for row in rows if all(word(hay(row)) for word in words)]

"""The rows that a batch may match, by everything that they are looked up by."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from plexsync.matching.batch_index import BatchIndex, IndexRow
from tests.support.index import part

ROWS = (part(1, "/p/a/d/X.mp4", 100), part(2, "/p/b/d/x.mp4", 100), part(2, "/p/b/e/y.mp4"), part(3, "d/x.mp4", 1))


def keys(rows: Sequence[IndexRow]) -> list[int]:
    """The rating keys of rows."""
    return [row.part.rating_key for row in rows]


@pytest.fixture
def index() -> BatchIndex:
    """An index of ``ROWS``, on a server that does not fold case."""
    return BatchIndex(ROWS, fold_case=False)


def test_look_ups(index: BatchIndex) -> None:
    """Rows are found by path, name, name and size, size, and item."""
    assert (keys(index.at("/p/a/d/X.mp4")), keys(index.at("/p/a/d/x.mp4"))) == ([1], [])
    assert keys(index.named("x.mp4")) == [1, 2, 3]
    assert keys(index.named_sized("x.mp4", 100)) == [1, 2]
    assert (keys(index.sized(1)), keys(index.sized(0))) == ([3], [])
    assert (keys(index.of_item(2)), keys(index.of_item(9))) == ([2, 2], [])
    assert (index.names("x.mp4"), index.names("z.mp4")) == ({"X.mp4", "x.mp4"}, set())


@pytest.mark.parametrize(
    ("path", "depth", "wanted"),
    [
        (("s", "a", "d", "x.mp4"), 3, [1]),
        (("s", "a", "d", "x.mp4"), 2, [1, 2, 3]),
        (("d", "x.mp4"), 2, [1, 2, 3]),
        (("d", "x.mp4"), 3, []),
        (("x.mp4",), 2, []),
    ],
)
def test_beside(index: BatchIndex, path: tuple[str, ...], depth: int, wanted: list[int]) -> None:
    """Rows in folders of the same names are found by the last two or three components, if the path has so many."""
    assert keys(index.beside(path, depth)) == wanted


def test_case_is_folded_where_plex_folds_it() -> None:
    """A path in another case is found only if the server ignores case, and the exact case goes first."""
    index = BatchIndex(ROWS, fold_case=True)
    assert keys(index.at("/P/A/D/x.mp4")) == [1]
    index.add([part(4, "/P/A/D/x.mp4")])
    assert keys(index.at("/P/A/D/x.mp4")) == [4]
    assert keys(index.at("/P/A/d/x.mp4")) == [1, 4]


def test_a_path_without_a_name() -> None:
    """A path of slashes alone has the empty name."""
    assert keys(BatchIndex((part(9, "/"),), fold_case=False).named("")) == [9]


def test_what_counts(index: BatchIndex) -> None:
    """A row counts once however often it comes; a trashed one by its name alone, an optimised one not at all."""
    index.add([*ROWS, part(5, "/p/T.mp4", 9, trashed=True), part(6, "/p/o.mp4", 9, optimised=True)])
    assert keys(index.named("x.mp4")) == [1, 2, 3]
    assert (index.trashed, index.sized(9), index.named("o.mp4")) == ({"t.mp4"}, [], [])

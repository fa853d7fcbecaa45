"""Judge the user's path map by the files in Stash and the folders of Plex's libraries: a sentence for each problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from plexsync.model.paths import ignores_case, key_of
from plexsync.model.settings import display_name


@dataclass(frozen=True, slots=True)
class Judge:
    """What a path map is judged by.

    ``scenes_below`` returns the number of scenes with a file below a folder, in the case given or in any.
    ``locations``: the folders of the libraries in use, as Plex spells them. ``hidden``: no sentence may show a path.
    """

    scenes_below: Callable[[str, bool], int]
    locations: Sequence[str]
    fold_case: bool
    hidden: bool

    def problems(self, path_map: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield a sentence for each part of the map that cannot be right: which one, what is wrong, what to write."""
        for number, (stash, plex) in enumerate(path_map, 1):
            if problem := self._problem(stash, plex):
                yield f'Part {number} of "{display_name("plexPathMap")}" {problem}.'

    def _problem(self, stash: str, plex: str) -> str:
        if self._in_stash(stash):
            return "" if self._in_plex(plex) else f"leads to no folder of a library in use{self._folders()}"
        if self._in_stash(plex) and (self._in_plex(stash) or not self._in_plex(plex)):
            right = "" if self.hidden else f': write "{plex} => {stash}"'
            return f"has its sides swapped; the path in Stash comes first{right}"
        if self.scenes_below(stash, True):
            return "spells its first path in another case than Stash: write it as Stash shows it"
        return "applies to no scene: write the folder's path as Stash shows it first, then the one that Plex shows"

    def _in_stash(self, path: str) -> bool:
        return self.scenes_below(path, ignores_case(path)) > 0

    def _in_plex(self, path: str) -> bool:
        """Return whether the folder is one of Plex's, or below or above one."""
        for location in self.locations:
            fold_case = self.fold_case or ignores_case(location)
            pair = key_of(path, fold_case=fold_case), key_of(location, fold_case=fold_case)
            depth = min(map(len, pair))
            if pair[0][:depth] == pair[1][:depth]:
                return True
        return not self.locations

    def _folders(self) -> str:
        listed = " or ".join(f'"{location}"' for location in self.locations)
        return "" if self.hidden else f": its second path must be in {listed}"

"""The sample answers have the shape of the plugin's own, so that what is shown of them is shown of real ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser import samples
from tests.browser.test_actions import doubtful, edited
from tests.support.installation import Installation
from tests.support.processes import until


def shape(value: Any, *, loose: tuple[str, ...] = ()) -> Any:
    """Keys and kinds of values; of a list its first, of ``loose`` keys nothing, numbers are all alike."""
    if isinstance(value, dict):
        return {key: "any" if key in loose else shape(one, loose=loose) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0], loose=loose)] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_samples_are_as_the_plugin_answers(tmp_path: Path) -> None:
    """Overview, scene, try_plex, check_setup and the rows of the preview: the same keys, the same kinds of values."""
    loose = ("dead_by_reason", "counts", "platform", "reasons", "old", "new", "last_catchup")
    with Installation(tmp_path) as here:
        films = edited(here)
        doubtful(here)
        lost = here.film("Lost", in_plex=False)
        here.edit(lost, "Lost")
        overview = until(lambda: found if (found := here.call("overview"))["waiting"] else None, what="the waiting row")
        here.film("Fresh")
        here.task("preview")
        made = samples.overview("attention") | {"outages": []}
        made["recent"] = [one | {"images": []} for one in made["recent"]]
        assert shape(made, loose=loose) == shape(overview, loose=loose)
        there = here.call("scene", scene_id=films[0].scene)
        assert shape(samples.scene("in_plex") | {"images": []}, loose=loose) == shape(there, loose=loose)
        letter = shape(here.call("scene", scene_id=3), loose=(*loose, "dead_letter"))
        assert shape(samples.scene("needs_you"), loose=(*loose, "dead_letter")) == letter
        assert shape(samples.TRIED) == shape(here.call("try_plex"))
        checked = here.call("check_setup")
        checked["path_map"]["pairs"] = samples.CHECKED["path_map"]["pairs"]
        assert shape(samples.CHECKED, loose=loose) == shape(checked, loose=loose)
        for mode, answer in (("preview_rows", samples.preview_rows), ("unmatched_rows", samples.unmatched_rows)):
            assert shape(answer({}), loose=loose) == shape(here.call(mode), loose=loose), mode
        assert shape(samples.canned("ok")["wake"]({})) == shape(here.call("wake"))

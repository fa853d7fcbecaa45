"""The sample answers have the shape of the plugin's own, so that what is shown of them is shown of real ones too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from plexsync.matching.model import Confidence, Evidence
from plexsync.model.fields import NAMES
from plexsync.queue import dead_letters
from plexsync.state.history import SYNC, UNDO
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


#: Key of an answer -> the values that the plugin's code has for it.
WORDS: dict[str, set[str]] = {
    "evidence": {evidence.key for evidence in Evidence},
    "confidence": {confidence.value for confidence in Confidence},
    "reason": set(dead_letters.REASONS),
    "kind": {SYNC, UNDO, *dead_letters.REASONS},
    "field": {*NAMES, *(name for name, _ in NAMES.values())},
    "state": {*samples.STATES, *samples.SCENES, "open", "half_open", "closed"},
}


def strange(answer: Any, inside: str = "") -> set[tuple[str, str]]:
    """The pairs of key and value in an answer that the plugin's code does not have."""
    if isinstance(answer, list):
        return {found for one in answer for found in strange(one, inside)}
    if not isinstance(answer, dict):
        return set()
    found = {pair for key, one in answer.items() for pair in strange(one, key)}
    for key in answer.keys() & WORDS.keys():
        is_sentence = key == "reason" and "kind" in answer  # of unmatched_rows
        if not is_sentence and answer[key] not in WORDS[key]:
            found.add((key, str(answer[key])))
    if inside in ("changes", "rows") and "old" in answer:
        found |= {(key, str(answer[key])) for key in ("old", "new") if not isinstance(answer[key], str)}
    return found


def test_the_samples_use_the_words_of_the_plugin() -> None:
    """Evidence, confidence, reasons, kinds, fields and states in the samples are values that the code can answer."""
    shown = [samples.overview(name) for name in (*samples.STATES, *samples.EDGES)]
    shown += [samples.scene(state) for state in samples.SCENES]
    shown += [samples.preview_rows({"limit": 500}), samples.unmatched_rows({})]
    assert strange(shown) == set()
    assert strange([{"evidence": "equal path", "changes": [{"field": "tag", "old": None, "new": "x"}]}]) == {
        ("evidence", "equal path"), ("field", "tag"), ("old", "None"),
    }  # fmt: skip


def test_the_page_has_words_for_what_the_plugin_answers() -> None:
    """Each kind of evidence and each reason has its words, and there are none for what no operation answers."""
    text = (Path(__file__).parents[2] / "ui" / "words.js").read_text("utf-8")
    for table, keys in (("evidence", WORDS["evidence"]), ("reasons", WORDS["reason"])):
        found = re.search(rf"^  {table}: {{\n(.*?)^  }},", text, re.MULTILINE | re.DOTALL)
        assert found
        assert set(re.findall(r"^    (\w+):", found[1], re.MULTILINE)) == keys, table


def test_the_samples_are_as_the_plugin_answers(tmp_path: Path) -> None:
    """Overview, scene, try_plex, check_setup and the rows of the preview: the same keys, the same kinds of values."""
    loose = ("dead_by_reason", "counts", "platform", "reasons", "last_catchup")
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
        assert strange([overview, there, here.call("scene", scene_id=3), checked]) == set()
        assert here.call("preview_rows")["rows"][0]["evidence"] == there["items"][0]["evidence"]
        for mode, answer in (("preview_rows", samples.preview_rows), ("unmatched_rows", samples.unmatched_rows)):
            assert shape(answer({}), loose=loose) == shape(here.call(mode), loose=loose), mode
            assert strange(here.call(mode)) == set(), mode
        assert shape(samples.canned("ok")["wake"]({})) == shape(here.call("wake"))

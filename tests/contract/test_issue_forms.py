"""The issue forms are such as GitHub accepts: one that breaks a rule is not offered to anybody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(FOLDER.glob("*"))

#: GitHub's own lists ("Syntax for issue forms", "Syntax for GitHub's form schema"); True: it has to be there.
TOP = {"name": True, "description": True, "body": True, "title": False, "labels": False, "assignees": False}
ELEMENT = {"type": True, "attributes": True, "id": False, "validations": False}
_TEXT = {"label": True, "description": False, "placeholder": False, "value": False}
ATTRIBUTES = {
    "markdown": {"value": True},
    "input": _TEXT,
    "textarea": _TEXT | {"render": False},
    "dropdown": {"label": True, "description": False, "multiple": False, "options": True, "default": False},
    "checkboxes": {"label": True, "description": False, "options": True},
}
NO_STRINGS = {"options", "multiple", "default", "labels", "assignees", "body", "attributes", "validations"}


def load(text: str) -> Any:
    """Read a form as GitHub does."""
    return yaml.safe_load(text)


def wrong(form: Any) -> list[str]:
    """Return what GitHub would refuse a form for ("Common validation errors when creating issue forms")."""
    found = list(_keys(form, TOP, "form"))
    body = form.get("body") if isinstance(form, dict) else None
    if not isinstance(body, list):
        return [*found, "body is no list"]
    for number, element in enumerate(body):
        found += (f"body[{number}]: {why}" for why in _element(element))
    fields = [element for element in body if isinstance(element, dict) and element.get("type") != "markdown"]
    if not fields:
        found.append("nothing to fill in")
    found += (f"id {name} twice" for name in _twice(element.get("id") for element in fields))
    labels = (str((element.get("attributes") or {}).get("label")) for element in fields)
    found += (f"label {name} twice" for name in _twice(re.sub(r"[^a-z0-9_-]+", "-", label.lower()) for label in labels))
    return found


def _keys(value: Any, allowed: dict[str, bool], where: str) -> Iterator[str]:
    """Keys that are missing, unknown, or empty where a text has to be."""
    if not isinstance(value, dict):
        yield f"{where} is no mapping"
        return
    yield from (f"{where} lacks {key}" for key, needed in allowed.items() if needed and key not in value)
    yield from (f"{where} may not have {key!r}" for key in value if key not in allowed)
    texts = ((key, text) for key, text in value.items() if key not in NO_STRINGS)
    yield from (f"{key} is no text" for key, text in texts if not isinstance(text, str) or not text.strip())


def _element(element: Any) -> Iterator[str]:
    yield from _keys(element, ELEMENT, "element")
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in ATTRIBUTES:
        yield f"unknown type {kind}"
        return
    attributes = element.get("attributes")
    yield from _keys(attributes, ATTRIBUTES[kind], "attributes")
    if kind == "markdown":
        yield from (f"{key} in a text" for key in ("id", "validations") if key in element)
        return
    if not re.fullmatch(r"[A-Za-z0-9_-]+", element.get("id", "none")):
        yield "an id of other signs than letters, digits, - and _"
    if not set(element.get("validations", {}).items()) <= {("required", True), ("required", False)}:
        yield "validations other than required: true or false"
    if isinstance(attributes, dict):
        yield from _attributes(attributes)


def _attributes(attributes: dict[str, Any]) -> Iterator[str]:
    if "password" in str(attributes.get("label")).lower():
        yield "a label with a forbidden word"
    if "options" in attributes:
        options = attributes["options"] or []
        names = [option.get("label") if isinstance(option, dict) else option for option in options]
        yield from (f"option {name} twice" for name in _twice(names))
        if not names or any(not isinstance(name, str) or name.lower() == "none" for name in names):
            yield "options that are none, no texts, or the word None"


def _twice(names: Any) -> list[str]:
    return [name for name, number in Counter(names).items() if name is not None and number > 1]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_github_accepts_the_form(path: Path) -> None:
    """A form breaks none of GitHub's rules."""
    assert wrong(load(path.read_text("utf-8"))) == []


def test_there_is_a_form_for_each_kind_of_report() -> None:
    """A fault, a wrong match and a wish have a form each, under names of their own.

    There is no file with links: GitHub reads it as ``config.yml`` alone, and ``*.yml`` is for Stash's manifest.
    """
    assert [path.name for path in FORMS] == ["bug.yaml", "feature.yaml", "matching.yaml"]
    assert len({load(path.read_text("utf-8"))["name"] for path in FORMS}) == len(FORMS)


@pytest.mark.parametrize("name", ["bug", "matching"])
def test_a_form_for_faults_asks_for_the_pages_report(name: str) -> None:
    """Who reports a fault is asked for the bug report, and told under which names the page offers it."""
    fields = {element.get("id"): element for element in load((FOLDER / f"{name}.yaml").read_text("utf-8"))["body"]}
    assert fields["report"]["validations"] == {"required": True}
    words = (FOLDER.parents[1] / "ui" / "words.js").read_text("utf-8")
    asked = fields["report"]["attributes"]["description"]
    for shown in (re.search(r'report: "(.+)"', words), re.search(r'make: \{ label: "(.+)" \}', words)):
        assert shown is not None
        assert shown[1] in asked


def field(**over: Any) -> dict[str, Any]:
    """A field that GitHub accepts, with changes; None takes a key away."""
    made = {"type": "input", "id": "name", "attributes": {"label": "Name"}} | over
    return {key: value for key, value in made.items() if value is not None}


def form(*body: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A form that GitHub accepts, with changes; None takes a key away."""
    made = {"name": "Bug", "description": "Say it", "body": list(body) or [field()]} | over
    return {key: value for key, value in made.items() if value is not None}


def options(*given: Any) -> dict[str, Any]:
    """A choice."""
    return field(type="dropdown", attributes={"label": "Which?", "options": list(given)})


REFUSED = {
    "no name": form(name=None),
    "no text": form(description=True),
    "an empty text": form(description=" "),
    "no body": form(body=None),
    "an unknown key": form(hello="world"),
    "a key that YAML takes for a truth": load("name: a\ndescription: b\non: c") | {"body": [field()]},
    "text alone": form(field(type="markdown", id=None, attributes={"value": "Hello"})),
    "text with an id": form(field(), field(type="markdown", id="other", attributes={"value": "Hello"})),
    "text without text": form(field(), field(type="markdown", id=None, attributes={})),
    "an id twice": form(field(), field(attributes={"label": "Other"})),
    "an id with a blank": form(field(id="a name")),
    "a label twice, but for its case": form(field(), field(id="other", attributes={"label": "name"})),
    "no label": form(field(attributes={})),
    "a label that is a number": form(field(attributes={"label": 1})),
    "a forbidden word": form(field(attributes={"label": "Your password"})),
    "an unknown type": form(field(type="x")),
    "no type": form(field(type=None)),
    "an unknown attribute": form(field(attributes={"label": "Name", "render": "text"})),
    "a key beside": form(field(x="woof")),
    "another validation": form(field(validations={"required": "yes"})),
    "an option twice": form(options("a", "a")),
    "no option": form(options()),
    "the option None": form(options("a", "None")),
    "an option that is a truth": form(options("a", False)),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_github_refuses_is_found(what: str) -> None:
    """Each of GitHub's rules is looked at, so that a form that breaks it does not pass here."""
    assert wrong(REFUSED[what]) != []


def test_what_github_accepts_passes() -> None:
    """A form that keeps the rules has nothing wrong."""
    assert wrong(form(field(), options("a", "b") | {"id": "which"}, title="Bug: ", labels=["bug"])) == []

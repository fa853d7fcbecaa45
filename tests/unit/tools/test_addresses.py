"""The marked blocks of documents: what is written into them, in either state, and what is refused."""

from __future__ import annotations

import pytest

from tests.tools import addresses

OPEN = addresses.Facts("https://example.com/a/B", "https://a.example.com/B", "https://a.example.com/B/index.yml", True)
CLOSED = OPEN._replace(published=False)


@pytest.mark.parametrize("name", addresses.BLOCKS)
def test_nothing_names_the_project_before_it_is_published(name: str) -> None:
    """Unpublished, no block has an address of the project; published, each has one; the text around stays."""
    text = f"before\n\n<!-- {name} -->\n<!-- /{name} -->\n\nafter\n"
    closed, opened = (addresses.rendered(text, facts) for facts in (CLOSED, OPEN))
    assert "example.com" not in closed
    assert "example.com" in opened
    for made in (closed, opened):
        assert made.startswith(f"before\n\n<!-- {name} -->\n\n")
        assert made.endswith(f"\n\n<!-- /{name} -->\n\nafter\n")
        assert len(made) > len(text) + 20


@pytest.mark.parametrize("name", [name for name, block in addresses.BLOCKS.items() if block.words])
def test_a_block_may_stand_within_a_line(name: str) -> None:
    """Markers with text around them hold words, on the same line."""
    text = f"See <!-- {name} -->former<!-- /{name} -->, please.\n"
    closed, opened = (addresses.rendered(text, facts) for facts in (CLOSED, OPEN))
    assert "example.com" not in closed
    assert "example.com" in opened
    for made in (closed, opened):
        assert made.count("\n") == 1
        assert "former" not in made


@pytest.mark.parametrize("facts", [CLOSED, OPEN], ids=["unpublished", "published"])
def test_what_is_written_is_written_once(facts: addresses.Facts) -> None:
    """A document that was written in the one state, and then in this one, stays as it is when it is written again."""
    text = "".join(f"* item\n\n  <!-- {name} --><!-- /{name} -->\n\n" for name in addresses.BLOCKS)
    first = addresses.rendered(text, facts)
    assert addresses.rendered(first, facts) == first
    for before in (CLOSED, OPEN):
        assert addresses.rendered(addresses.rendered(text, before), facts) == first


def test_lines_are_indented_as_their_marker() -> None:
    """A block in a list, or in a text of YAML, stays part of it."""
    made = addresses.rendered("1. Add it.\n\n   <!-- source -->\n   <!-- /source -->\n", OPEN)
    assert [line for line in made.splitlines()[1:] if line and not line.startswith("   ")] == []
    assert "\n   ```text\n   https://a.example.com/B/index.yml\n   ```\n" in made


def test_pictures_are_found_from_any_folder() -> None:
    """Badges lie in the repository's folder of images, wherever the document is."""
    made = addresses.rendered("<!-- badges -->\n<!-- /badges -->\n", CLOSED, "../../")
    assert made.count("](../../docs/images/") == made.count("![") == 3


@pytest.mark.parametrize(
    "text",
    [
        "<!-- sauce -->\n<!-- /sauce -->\n",
        "<!-- source -->\n",
        "<!-- /source -->\n",
        "<!-- source -->\n<!-- /report -->\n",
        "<!-- source -->\n<!-- report -->\n<!-- /report -->\n",
        "See <!-- badges --><!-- /badges -->.\n",
        "See <!-- source -->\n<!-- /source -->.\n",
    ],
)
def test_a_document_in_disorder_is_refused(text: str) -> None:
    """A name without meaning, a marker that stands alone, and lines where only words fit are errors."""
    with pytest.raises(ValueError, match="<!-- "):
        addresses.rendered(text, CLOSED)


def test_other_comments_are_left_alone() -> None:
    """A comment of several words, or an example in capitals, is no marker."""
    text = "<!-- a note -->\n`<!-- NAME -->`\n"
    assert addresses.rendered(text, OPEN) == text

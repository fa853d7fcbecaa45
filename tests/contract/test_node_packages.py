"""The node packages of the tests in a browser: Stash's versions, and no address from which they come."""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parents[1] / "browser"

#: What Stash 0.30 ships.
SHIPPED = {
    "@apollo/client": "3.8.10", "bootstrap": "4.6.2", "graphql": "16.8.1", "mousetrap": "1.6.5", "react": "17.0.2",
    "react-bootstrap": "1.6.6", "react-dom": "17.0.2", "react-intl": "6.2.8", "react-router-dom": "5.3.4",
    "react-select": "5.7.0", "@fortawesome/fontawesome-svg-core": "6.3.0", "@fortawesome/react-fontawesome": "0.2.0",
}  # fmt: skip


def test_the_packages_are_those_of_stash() -> None:
    """React and its companions have the versions that Stash ships, all are for development, and all are exact."""
    package = json.loads((HERE / "package.json").read_text("utf-8"))
    named = package["devDependencies"]
    assert "dependencies" not in package
    assert {name: version for name, version in named.items() if name in SHIPPED} == SHIPPED
    assert [version for version in named.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in named} == named


def test_the_lock_names_no_address() -> None:
    """Where packages come from is the business of whoever installs them; their checksums are in the lock."""
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    entries = [entry for name, entry in lock.items() if name]
    assert [entry for entry in entries if "resolved" in entry or "integrity" not in entry] == []


def test_nothing_of_them_is_published() -> None:
    """The plugin's files name none of the packages: Stash brings them."""
    ui = HERE.parents[1] / "ui"
    scripts = [path.read_text("utf-8") for path in ui.rglob("*.js")]
    assert [name for name in SHIPPED for script in scripts if f'from "{name}"' in script] == []

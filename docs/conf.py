"""How Sphinx builds the documents into a site. ``tests/tools/site.py`` calls it, on a copy of this folder."""

from __future__ import annotations

import logging

from tests.tools.project import version as read_version

# It reports at every import what it was not installed with.
logging.getLogger("persistqueue").setLevel(logging.WARNING)

project = "PlexSync"
project_copyright = "PlexSync contributors, AGPL-3.0-or-later"
version = release = read_version()
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"PlexSync {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

#: Every heading has the anchor that GitHub gives it.
myst_heading_anchors = 6

#: What is not ours has no page here: without a network nobody knows whether Python's or a package's names exist.
#: Nor has a type variable.
nitpick_ignore_regex = [("py:.*", r"(?!plexsync\b).*"), ("py:class", r"plexsync\..*\.T")]

autodoc_default_options = {"members": True, "ignore-module-all": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_use_type_comments = False

#: The sidebar names modules, not what is in them: it would take as long as all the rest.
toc_object_entries = False

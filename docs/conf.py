"""The documentation: `make docs` for browsers, `make man` for man. Nothing is fetched, neither here nor by readers."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import commands  # noqa: E402

import dwork  # noqa: E402

project = "dwork"
author = "the authors of dwork"
project_copyright = "the authors of dwork; GPL-3.0-or-later"
version = release = dwork.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "generated"]
exclude_patterns = ["_build"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
default_role = "literal"  # in docstrings, as in Markdown
smartquotes = False  # options begin with two hyphens
myst_heading_anchors = 3
highlight_language = "text"

nitpicky = True
nitpick_ignore_regex = [  # what is not dwork's
    ("py:.*", r"(?!dwork\b).*"),
    ("py:.*", r"dwork\.core\.task\.(Command|TaskKey)|dwork\.client\.client\.Row"),
]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"dwork {version}"
html_static_path = ["_static"]
html_css_files = ["dwork.css"]
html_show_sphinx = False
html_copy_source = False

man_show_urls = True
man_make_section_directory = True
man_pages = [
    *((f"reference/commands/{page.stem}", page.stem, page.about, "", 1) for page in commands.pages()),
    ("taskfile", "dwork-tasks", "task files of dwork-pool and dquery addfile", "", 5),
]

"""How Sphinx builds the documentation."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from elsewhere import write_inventories

from lamella import __version__

project = "lamella"
author = "the lamella developers"
copyright = "the lamella developers; BSD 3-clause licence"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "elsewhere",
    "from_code",
    "reference",
]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext", ".ipynb": "myst-nb"}
nb_execution_mode = "off"  # the outputs of the notebooks are in them; tests run them
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # they make dashes of the -- of options
suppress_warnings = ["toc.empty_glob"]

default_role = "py:obj"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}
napoleon_google_docstring = False
napoleon_use_rtype = True
# As a list within the description: the attributes have entries of their own.
napoleon_custom_sections = [("Attributes", "params_style")]

# The names that are linked to are in `_ext/elsewhere.py`: nothing is fetched.
intersphinx_mapping = write_inventories(Path(tempfile.mkdtemp(prefix="inventories-")))

html_theme = "furo"
html_title = f"lamella {version}"
html_static_path = ["_static"]
html_css_files = ["lamella.css"]
html_show_sphinx = False
pygments_style = "friendly"

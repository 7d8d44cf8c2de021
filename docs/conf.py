"""How Sphinx builds the documentation: `nox -s docs`, or `sphinx-build -W --keep-going -b html docs docs/_build`."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
ABOUT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = ABOUT["name"]
version = release = ABOUT["version"]
author = ABOUT["authors"][0]["name"]
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "zoo_docs"]
exclude_patterns = ["_build"]
default_role = "literal"
suppress_warnings = ["ref.python"]  # an alias in a type hint may be the name of several attributes

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
autodoc_default_options = {"exclude-members": "model_config"}

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_theme_options = {
    "source_repository": ABOUT["urls"]["Source"],
    "source_branch": "main",
    "source_directory": "docs/",
}

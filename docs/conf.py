"""The site that `make docs` builds from these pages, by Sphinx with MyST (Markdown) and the theme Furo.

Nothing of it is fetched when it is read: the theme has its own files and the system's fonts.
"""

project = "Scaling studies"
author = "The scaling-studies authors"
copyright = "The scaling-studies authors, Apache-2.0"

extensions = ["myst_parser"]
myst_heading_anchors = 3  # as GitHub's, so that one link serves both
smartquotes = False  # values of fields are quoted as in Python
nitpicky = True  # a link that leads nowhere ends the build, with -W

html_theme = "furo"
html_title = project
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_show_sphinx = False
pygments_style = "friendly"

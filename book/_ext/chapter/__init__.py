"""What this book adds to Sphinx: one topic per module, each with its own ``setup``."""

from sphinx.application import Sphinx

MODULES = [
    "addresses",
    "answer_fields",
    "bibliography",
    "book_faults",
    "charts",
    "early_fonts",
    "english_terms",
    "execution",
    "executed_notebooks",
    "exercises",
    "exercise_tables",
    "faults",
    "feedback",
    "formulas",
    "light_pages",
    "moving_charts",
    "panel_sides",
    "page_faults",
    "previews",
    "proofs",
    "reading_time",
    "root_redirect",
    "russian",
    "search_index",
    "solutions",
    "student_notebooks",
    "table_cards",
    "table_corners",
    "unused_files",
]


def setup(app: Sphinx) -> dict[str, bool]:
    """Set up every module in turn."""
    for name in MODULES:
        app.setup_extension(f"chapter.{name}")
    return {"parallel_read_safe": True, "parallel_write_safe": True}

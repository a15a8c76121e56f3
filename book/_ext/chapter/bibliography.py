"""Russian citations and a Russian list of references: «и», «и др.», «В кн.», «т.», «с.»."""

from collections.abc import Iterable

import sphinxcontrib.bibtex.plugin
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting import toplevel
from pybtex.style.formatting.unsrt import Style as UnsortedStyle
from pybtex.style.formatting.unsrt import date, pages
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import Node, field, first_of, join, names, optional, optional_field, sentence, tag, words
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.style.referencing import PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle


class RussianReferenceStyle(AuthorYearReferenceStyle):
    """Author and year in the text: Pascanu и др. [2013]."""

    def __init__(self) -> None:
        super().__init__(person=PersonStyle(sep2=" и ", last_sep=" и ", other=" и др."))


class AuthorYearLabels(BaseLabelStyle):
    """The same words before each entry of the list as in the text."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterable[str]:
        """Yield «Pascanu и др., 2013»."""
        for entry in sorted_entries:
            people = entry.persons.get("author") or entry.persons["editor"]
            last = [" ".join(person.prelast_names + person.last_names) for person in people]
            who = " и ".join(last) if len(last) < 3 else f"{last[0]} и др."
            yield f"{who}, {entry.fields['year']}"


class RussianStyle(UnsortedStyle):
    """Titles as the .bib file spells them, everything between them in Russian."""

    default_label_style = AuthorYearLabels
    default_sorting_style = "author_year_title"

    def format_names(self, role: str, as_sentence: bool = True) -> Node:
        """Join the names with «и»."""
        people = names(role, sep=", ", sep2=" и ", last_sep=" и ")
        return sentence[people] if as_sentence else people

    def format_editor(self, e: Entry, as_sentence: bool = True) -> Node:
        """Write «под ред.» before the editors."""
        people = words["под ред.", self.format_names("editor", as_sentence=False)]
        return sentence[people] if as_sentence else people

    def format_title(self, e: Entry, which_field: str, as_sentence: bool = True) -> Node:
        """Keep the capitals of the title: LSTM is no lstm."""
        title = field(which_field)
        return sentence[title] if as_sentence else title

    def format_volume_and_series(self, e: Entry, as_sentence: bool = True) -> Node:
        """Write the volume after the series it belongs to."""
        place = join(sep=", ")[optional_field("series"), optional[words["т.", field("volume")]]]
        return sentence[place] if as_sentence else place

    def format_chapter_and_pages(self, e: Entry) -> Node:
        """Write «гл.» and «с.»."""
        return join(sep=", ")[optional[words["гл.", field("chapter")]], optional[words["с.", pages]]]

    def format_edition(self, e: Entry) -> Node:
        """Write the number of the edition."""
        return optional[words[field("edition"), "изд."]]

    def get_article_template(self, e: Entry) -> Node:
        """A journal: its name, volume, number, pages."""
        volume = optional[words["т.", field("volume")]]
        number = optional[words["№", field("number")]]
        where = [tag("em")[field("journal")], volume, number, optional[words["с.", pages]], date]
        return self._entry(e, sentence[where])

    def get_inproceedings_template(self, e: Entry) -> Node:
        """Proceedings, and a chapter of a collection: «В кн.:»."""
        book = self.format_btitle(e, "booktitle", as_sentence=False)
        parts = [book, self.format_volume_and_series(e, as_sentence=False), self.format_chapter_and_pages(e)]
        publisher = [optional_field("organization"), optional_field("publisher"), optional_field("address"), date]
        return self._entry(e, words["В кн.:", sentence[[*parts, *publisher]]])

    get_incollection_template = get_inproceedings_template

    def get_phdthesis_template(self, e: Entry) -> Node:
        """A thesis and the university."""
        kind = first_of[optional_field("type"), Text("Диссертация")]
        return self._entry(e, sentence[kind, field("school"), optional_field("address"), date])

    get_mastersthesis_template = get_phdthesis_template

    def _entry(self, e: Entry, where: Node) -> Node:
        return toplevel[
            self.format_names("author"),
            self.format_title(e, "title"),
            where,
            sentence[optional_field("note")],
            self.format_web_refs(e),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Make both styles known by name."""
    register_plugin("pybtex.style.formatting", "russian", RussianStyle)
    sphinxcontrib.bibtex.plugin.register_plugin(
        "sphinxcontrib.bibtex.style.referencing", "russian", RussianReferenceStyle
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}

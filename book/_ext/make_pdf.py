"""The whole chapter in one PDF: ``make pdf``, or ``make pdf PDF=sheet`` without hints, answers and solutions.

    python book/_ext/make_pdf.py _build/html [sheet]

The pages of the built site are put into one document in their order, and a headless Chromium prints it: tagged, with
bookmarks, links and embedded fonts. Hints, answers and solutions stand at the end of their section.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import cast
from urllib.parse import unquote

from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "book"))
from browser.chromium import ADVICE, find  # noqa: E402

NAMES = {"": "chapter.pdf", "sheet": "chapter-without-solutions.pdf"}
WORDS = {"": "Вся глава в одном файле", "sheet": "Вся глава без решений"}
IDS = re.compile(r'\b(id|for|aria-labelledby|aria-describedby)="([^"]+)"')
LOCAL = re.compile(r'\b(xlink:href|href)="#([^"]*)"|url\(#([^)]+)\)')
LINK = re.compile(r'<a\b([^>]*?)\shref="([^"#:]*)(?:#([^"]*))?"([^>]*)>')
UNWANTED = re.compile(
    r'<(script|template)\b.*?</\1>|<a class="headerlink".*?</a>|<label class="quiz-memory.*?</label>',
    re.DOTALL,
)
LATE = re.compile(r"<div [^>]*><noscript>(.*?)</noscript></div>", re.DOTALL)  # a drawing that waits for a reader
SOLUTIONS = "Подсказки, ответы и решения"
HEADING = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1>", re.DOTALL)

DOCUMENT = """<!DOCTYPE html>
<html lang="ru" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{title}</title>
{styles}
<style>
@page {{ size: A4; margin: 18mm 16mm 20mm; @bottom-center {{ content: counter(page); font: 9pt sans-serif; }} }}
article.bd-article + article.bd-article {{ break-before: page; }}
.bd-main .bd-content .bd-article h1:first-of-type {{ display: block; margin-top: 0; }}
.cell details > summary {{ display: none !important; }}
.pdf-cover {{ padding-top: 30mm; }}
.pdf-cover li {{ margin: 0.3rem 0; }}
details > summary {{ font-weight: 600; }}
.pdf-solutions .exercise-title {{ margin: 1.5rem 0 0.5rem; }}
</style>
</head>
<body class="bd-main">
<main class="bd-content"><div class="bd-article-container">
<article class="bd-article pdf-cover"><h1>{title}</h1>
<nav aria-label="Оглавление"><ol>
{contents}
</ol></nav></article>
{pages}
</div></main>
<script>
const withSolutions = {solutions};
for (const article of document.querySelectorAll("article")) {{
  const moved = [];
  for (const exercise of article.querySelectorAll(".exercise")) {{
    const folds = [...exercise.querySelectorAll(".exercise-body > details")];
    let next = exercise;
    while ((next = next.nextElementSibling)?.matches("details")) folds.push(next);
    if (folds.length) moved.push([exercise, folds]);
  }}
  const place = document.createElement("section");
  place.className = "pdf-solutions";
  place.innerHTML = "<h2>{title_of_solutions}</h2>";
  for (const [exercise, folds] of moved) {{
    const title = exercise.querySelector(".exercise-title").cloneNode(true);
    title.removeAttribute("id");
    place.append(title, ...folds);
  }}
  if (moved.length && withSolutions) article.append(place);
  for (const [, folds] of withSolutions ? [] : moved) folds.forEach((fold) => fold.remove());
}}
document.querySelectorAll("details").forEach((fold) => {{ fold.open = true; }});
</script>
</body>
</html>
"""


def reading_order(site: Path) -> list[Path]:
    """Return the pages in the order of the menu."""
    start = re.search(r'url=([^"]+)"', (site / "index.html").read_text(encoding="utf-8"))
    if start is None:
        raise ValueError(f"site: expected a built book, got {site} whose index.html leads nowhere")
    first = site / start[1]
    menu = re.search(r'<nav class="bd-links.*?</nav>', first.read_text(encoding="utf-8"), re.DOTALL)
    links = re.findall(r'href="([^"#:]+\.html)"', menu[0]) if menu else []
    return list(dict.fromkeys([first, *((first.parent / unquote(link)).resolve() for link in links)]))


def article(page: Path, pages: list[Path]) -> str:
    """Return the article of a page, with ids and links that are its own in a document of all pages."""
    html = page.read_text(encoding="utf-8")
    inside = html[html.index("<article") : html.rindex("</article>")].partition(">")[2]
    inside = UNWANTED.sub("", inside).replace("print-without-solutions", "")
    inside = LATE.sub(r"\1", inside)
    own = page.stem

    def linked(found: re.Match[str]) -> str:
        there = (page.parent / unquote(found[2])).resolve() if found[2] else page
        if there not in pages:
            return f"<a{found[1]}{found[4]}>"  # a file beside the book
        return f'<a{found[1]} href="##{there.stem}--{found[3] or "top"}"{found[4]}>'

    def local(found: re.Match[str]) -> str:
        return f"url(#{own}--{found[3]})" if found[3] else f'{found[1]}="#{own}--{found[2]}"'

    inside = IDS.sub(lambda found: f'{found[1]}="{" ".join(f"{own}--{one}" for one in found[2].split())}"', inside)
    inside = LINK.sub(linked, inside)
    inside = LOCAL.sub(lambda found: found[0] if (found[2] or "").startswith("#") else local(found), inside)
    inside = inside.replace('href="##', 'href="#')
    return f'<article class="bd-article" id="{own}--top">{inside}</article>'


def document(site: Path, kind: str) -> str:
    """Put all pages into one."""
    pages = reading_order(site.resolve())
    first = pages[0].read_text(encoding="utf-8")
    styles = re.findall(r"<link\b[^>]*\brel=\"stylesheet\"[^>]*>", first)
    up = "../" * (len(pages[0].relative_to(site.resolve()).parts) - 1)
    titles = {page: re.search(r"<h1>(.*?)<", page.read_text(encoding="utf-8"), re.DOTALL) for page in pages}
    contents = [
        f'<li><a href="#{page.stem}--top">{found[1].strip()}</a></li>' for page, found in titles.items() if found
    ]
    title = re.search(r'property="og:site_name" content="([^"]*)"', first)
    return DOCUMENT.format(
        title=title[1] if title else "",
        styles="\n".join(styles).replace(f'href="{up}', 'href="'),
        contents="\n".join(contents),
        pages="\n".join(article(page, pages) for page in pages),
        solutions="false" if kind == "sheet" else "true",
        title_of_solutions=SOLUTIONS,
    )


def print_document(browser: str, page: Path, target: Path) -> None:
    """Let the browser print a page."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--no-pdf-header-footer", "--generate-pdf-document-outline", "--export-tagged-pdf"]
        done = subprocess.run(
            [*command, f"--print-to-pdf={target}", page.as_uri()], capture_output=True, text=True, check=False
        )
    if done.returncode or not target.exists():
        raise RuntimeError(f"{browser} printed nothing: {done.stderr[-1000:]}")


def name_bookmarks(pdf: Path, titles: list[str]) -> None:
    """Name the bookmarks after the headings: the browser writes them line by line, without spaces, and some twice."""
    writer = PdfWriter(clone_from=PdfReader(pdf))
    found = list(bookmarks(writer))
    if len(found) == len(titles):
        for one, title in zip(found, titles, strict=True):
            one[NameObject("/Title")] = TextStringObject(title)
        writer.write(pdf)
    else:
        print(f"the bookmarks bear the browser's names: expected {len(titles)} of them, got {len(found)}")


def bookmarks(writer: PdfWriter) -> Iterator[DictionaryObject]:
    """Yield the bookmarks in their order."""
    waiting = [writer.root_object.get("/Outlines", {}).get("/First")]
    while waiting:
        one = waiting.pop()
        if one is not None:
            node = cast(DictionaryObject, one.get_object())
            yield node
            waiting += [node.get("/Next"), node.get("/First")]


def headings(text: str, kind: str) -> list[str]:
    """Return the headings of the document, in their order."""
    found = []
    for inside in re.findall(r"<article\b.*?</article>", text, re.DOTALL):
        for _, html in HEADING.findall(inside):
            words = re.sub(r"<mjx-math.*?</mjx-math>|<[^>]*>", "", html, flags=re.DOTALL)
            found.append(re.sub(r"\s+", " ", unescape(words)).strip())
        found += [SOLUTIONS] * (kind != "sheet" and 'class="exercise"' in inside)
    return found


def offer(site: Path, pdf: Path, kind: str) -> None:
    """Put a link to the file at the end of the first page."""
    first = reading_order(site.resolve())[0]
    html = first.read_text(encoding="utf-8")
    up = "../" * (len(first.relative_to(site.resolve()).parts) - 1)
    size = f"{pdf.stat().st_size / 1e6:.1f}".replace(".", ",")
    line = f'<p class="no-print"><a href="{up}{pdf.name}" download>{WORDS[kind]} (PDF, A4, {size} МБ)</a></p>\n'
    html = re.sub(rf'<p class="no-print"><a href="[^"]*{re.escape(pdf.name)}".*?</p>\n', "", html)
    place = html.rindex("</article>")
    first.write_text(html[:place] + line + html[place:], encoding="utf-8", newline="\n")


def main(site: Path, kind: str) -> int:
    """Make the file and offer it on the site."""
    if kind not in NAMES:
        print(f"PDF: expected «sheet» or nothing, got {kind!r}")
        return 2
    if not (site / "index.html").exists():
        print(f"{site}: no built book; run `make book` first")
        return 2
    browser = find()
    if browser is None:
        print(ADVICE)
        return 1
    page, pdf = site.resolve() / "one-page.html", site.resolve() / NAMES[kind]
    text = document(site, kind)
    page.write_text(text, encoding="utf-8")
    try:
        print_document(browser, page, pdf)
        name_bookmarks(pdf, headings(text, kind))
    finally:
        page.unlink()
    offer(site, pdf, kind)
    print(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))

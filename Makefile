# make book   build the book into _build/html, strictly, and check the result
# make test   build the book and run all tests
# make pdf    build the book, then the whole of it in one PDF (PDF=sheet: without hints, answers and solutions)
# make page PAGE=gates    build, check and show that one page, in seconds after an edit of its prose
# make serve  show the book (or, with PAGE=gates, one page) at http://127.0.0.1:8000 and rebuild it on every change
# make lint   check the style and the types of the code, and the workflows
# make clean  remove everything that was built, the environment excepted
# make lock   choose the versions in constraints.txt anew (with the oldest supported Python)

PYTHON ?= python3
BIN := .venv/bin
REQUIREMENTS := pyproject.toml requirements.txt constraints.txt
FREE_CHOICE := _build/lock

.DELETE_ON_ERROR:
.PHONY: book test pdf page serve lint clean lock

# What was written and read before goes, the executed pages stay: the site is that of a clean build.
book: .venv/book-installed
	rm -rf _build/html _build/.doctrees _build/jupyter_execute
	$(BIN)/jupyter-book build . -W -n --keep-going
	$(BIN)/python book/_ext/check_site.py _build/html

test: .venv/test-installed lint book
	$(BIN)/python tests/book/browser/chromium.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder

pdf: book
	$(BIN)/python tests/book/browser/chromium.py
	$(BIN)/python book/_ext/make_pdf.py _build/html $(PDF)

page: .venv/book-installed
	$(BIN)/python book/_ext/build_page.py $(PAGE)

serve: .venv/book-installed
	$(BIN)/jupyter-book config sphinx .
	mkdir -p _build/page && printf 'format: jb-book\nroot: book/$(PAGE)\n' > _build/page/_toc.yml
	CHAPTER_DRAFT=1 PYTHONPATH=book/_ext $(BIN)/sphinx-autobuild . _build/$(if $(PAGE),page/served,html) \
	  $(if $(PAGE),-D external_toc_path=_build/page/_toc.yml) --re-ignore '/(_build|\.venv|__pycache__)/'

lint: .venv/test-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

clean:
	rm -rf _build conf.py

.venv/book-installed: $(REQUIREMENTS)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/test-installed: $(REQUIREMENTS) requirements-test.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	touch .venv/book-installed $@

# What the platform adds to torch (CUDA and its compiler) and the mark of a CPU-only build stay out of the lock.
lock:
	rm -rf $(FREE_CHOICE)
	$(PYTHON) -m venv $(FREE_CHOICE)
	sed '/^-c /d' requirements.txt > $(FREE_CHOICE)/requirements.txt
	sed '/^-c /d' requirements-test.txt > $(FREE_CHOICE)/requirements-test.txt
	$(FREE_CHOICE)/bin/python -m pip install --quiet -r $(FREE_CHOICE)/requirements-test.txt
	{ echo '# Written by `make lock`: the exact version of everything that requirements.txt and requirements-test.txt bring.'; \
	  $(FREE_CHOICE)/bin/python -m pip freeze --exclude-editable \
	    | sed -E 's/\+[[:alnum:].]+$$//' | grep -Eiv '^(cuda|nvidia|triton)'; } > constraints.txt

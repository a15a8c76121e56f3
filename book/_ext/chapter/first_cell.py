"""The first cell of every notebook: it sees to it that the package is there, or says what to do."""

from chapter.repository import repository_url

_INSTALL = """# Запустите эту клетку первой: если пакета gradflow здесь нет, она поставит его из репозитория книги.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gradflow") is None:
    print("Ставим пакет gradflow, это займёт минуту…")
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "git+{url}"], check=False)
    if done.returncode:
        raise SystemExit("Пакет gradflow не поставился. Нужны сеть, git и Python 3.11 или новее.")
    importlib.invalidate_caches()"""

_EXPLAIN = """# Запустите эту клетку первой: она проверит, есть ли здесь пакет gradflow.
import importlib.util

if importlib.util.find_spec("gradflow") is None:
    raise SystemExit(
        "Пакета gradflow здесь нет, а без него клетки не работают. Он лежит в папке книги: "
        "выполните в ней «pip install -r requirements.txt» и откройте блокнот из того же окружения."
    )"""


def first_cell() -> str:
    """Source of the cell; it installs if the build knows where from."""
    url = repository_url()
    return _INSTALL.format(url=url) if url else _EXPLAIN

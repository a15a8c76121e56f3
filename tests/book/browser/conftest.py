"""The built site at a local address, one browser, and a function that opens pages in it."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, sync_playwright

from bookmaker import SITE
from browser.chromium import ADVICE, find
from browser.opening import OpenPage, opening, served


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the built book."""
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    path = find()
    if path is None:
        pytest.fail(ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def open_page(browser: Browser) -> OpenPage:
    """Open a page by its address, at a width and in a theme."""
    return partial(opening, browser)

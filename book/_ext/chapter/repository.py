"""Where the book's repository is, if whoever builds it says so: ``REPOSITORY_URL``, that of a fork in its workflow."""

import os

from sphinx.errors import ConfigError

VARIABLE = "REPOSITORY_URL"


def repository_url() -> str:
    """The address without a slash at its end, or an empty string.

    Raises:
        ConfigError: it is no address of the web.
    """
    url = os.environ.get(VARIABLE, "").strip().removesuffix("/").removesuffix(".git")
    if url and not url.startswith(("https://", "http://")):
        raise ConfigError(f"{VARIABLE}: expected an address that begins with https://, got {url!r}")
    return url

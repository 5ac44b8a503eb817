"""The site builds without a warning, and every page of it stands in a real browser.

Internal links and anchors are MkDocs's to check, which `--strict` makes errors of.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
IN_THE_DARK = ("", "guides/initializers/", "api/signal/")
# What a page must not do, as a reader's browser tells it.
FOUND = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const past = wide < 1 ? [] : [...document.querySelectorAll(".md-content *")]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3)
    .map((e) => e.outerHTML.slice(0, 120));
  return {
    wide, past,
    broken: [...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src),
    unrendered: [...document.querySelectorAll(".arithmatex")]
      .filter((e) => !e.querySelector(".katex")).map((e) => e.textContent),
    wrong: [...document.querySelectorAll(".katex-error")].map((e) => e.title),
  };
}"""
RENDERED = "[...document.querySelectorAll('.arithmatex')].every((e) => e.querySelector('.katex'))"


def pages_of(site):
    return sorted(
        path.parent.relative_to(site).as_posix().removeprefix(".").removesuffix("/") + "/"
        if path.parent != site
        else ""
        for path in site.rglob("index.html")
    )


class Visitor:
    """Reads pages in one window, wide and then narrow, and writes down what goes wrong."""

    def __init__(self, browser, address, scheme="light"):
        self.address = address
        self.context = browser.new_context(viewport=DESK, color_scheme=scheme)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("requestfailed", self._failure)
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _failure(self, request):
        if request.failure != "net::ERR_ABORTED":  # as the next page is opened
            self.complaints.append(f"failed: {request.url}")

    def _request(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"foreign: {request.url}")

    def _response(self, response):
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def read(self, page):
        """What is wrong on a page."""
        self.complaints.clear()
        self.page.set_viewport_size(DESK)
        self.page.goto(self.address + page, wait_until="load")
        self.page.wait_for_function(RENDERED, timeout=10_000)
        for size in (DESK, PHONE):
            self.page.set_viewport_size(size)
            found = self.page.evaluate(FOUND)
            if found["wide"] > 0:
                where = f"at {size['width']} px: {found['past']}"
                self.complaints.append(f"{found['wide']} px too wide {where}")
            for what in ("broken", "unrendered", "wrong"):
                self.complaints += [f"{what}: {each}" for each in found[what]]
        return [f"/{page}: {complaint}" for complaint in self.complaints]


@pytest.fixture
def visitor(browser, address):
    opened = []

    def open_window(scheme="light"):
        opened.append(Visitor(browser, address, scheme))
        return opened[-1]

    yield open_window
    for each in opened:
        each.context.close()


def test_every_page_stands(site, visitor):
    window = visitor()
    pages = pages_of(site)
    assert len(pages) > 30
    assert [complaint for page in pages for complaint in window.read(page)] == []


def test_pages_stand_in_the_dark(visitor):
    window = visitor("dark")
    assert [complaint for page in IN_THE_DARK for complaint in window.read(page)] == []
    scheme = "document.body.getAttribute('data-md-color-scheme')"
    assert window.page.evaluate(scheme) == "slate"


def test_search_finds_a_word_of_the_text(visitor):
    window = visitor()
    window.read("")
    window.page.set_viewport_size(DESK)
    window.page.keyboard.press("/")
    window.page.keyboard.type("bottleneck")
    window.page.wait_for_selector(".md-search-result__item", timeout=10_000)
    found = window.page.locator(".md-search-result__item a").evaluate_all(
        "links => links.map((link) => link.getAttribute('href'))"
    )
    assert any("guides/initializers" in link for link in found)
    assert window.complaints == []


def test_a_visitor_sees_what_is_wrong(site, visitor):
    (site / "wrong.html").write_text(
        '<img src="none.png"><p class="arithmatex"><span class="katex katex-error" title="t">'
        '</span></p><div style="width: 2000px">wide</div><script>console.error("oh")</script>'
        '<script src="https://example.invalid/x.js"></script>'
    )
    found = "\n".join(visitor().read("wrong.html"))
    (site / "wrong.html").unlink()
    for expected in ("404", "foreign", "console: oh", "too wide", "broken", "wrong: t"):
        assert expected in found


# ----------------------------------------------------------------------------------
# Without a browser
# ----------------------------------------------------------------------------------


def test_every_link_leads_to_a_file_of_the_site(site):
    dead = []
    for page in site.rglob("index.html"):
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text()):
            target = (page.parent / link).resolve()
            if "://" not in link and not (target.is_file() or (target / "index.html").is_file()):
                dead.append(f"{page.relative_to(site)}: {link}")
    assert dead == []


def test_every_public_name_has_its_place_in_the_reference(site):
    tree = ast.parse((ROOT / "keras_oddsig" / "__init__.py").read_text())
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    names = ast.literal_eval(next(each for each in lists if isinstance(each, ast.List)))
    text = "".join(path.read_text() for path in (site / "api").rglob("index.html"))
    assert len(names) > 40
    assert [name for name in names if f'id="keras_oddsig.{name}"' not in text] == []


def test_docstrings_are_read_whole(site):
    def text_of(page):
        html = (site / "api" / page / "index.html").read_text()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))

    # What the decorators of `Tanh` and `DynamicTanh` add when they are imported.
    assert text_of("activations").count("Whether the rate is a weight") >= 8
    assert "regularizers and constraints of" in text_of("layers")
    for page in ("initializers", "tailoring", "signal", "layers", "solver"):
        assert "&gt;&gt;&gt; " in text_of(page)
        assert "Parameters:" in text_of(page)
        assert "Here belong" not in text_of(page)


def test_links_to_the_repository_appear_where_it_is_named(site, tmp_path, build):
    named = build(tmp_path, GITHUB_REPOSITORY="someone/something")
    pages = [path.relative_to(site) for path in sorted(site.rglob("*.html"))]
    address = "https://github.com/someone/something"
    assert all(address not in (site / page).read_text() for page in pages)
    guide = (named / "guides" / "command-line" / "index.html").read_text()
    assert f"{address}/edit/main/docs/guides/command-line.md" in guide
    assert 'data-md-component="source"' not in guide  # which would ask that host for its stars
    assert (
        f"{address}/blob/main/benchmarks/README.md"
        in (named / "benchmarks" / "index.html").read_text()
    )
    colab = "https://colab.research.google.com/github/someone/something/blob/main/examples"
    tutorials = list((ROOT / "examples").glob("[0-9]_*.ipynb"))
    assert len(tutorials) == 6
    for notebook in tutorials:
        page = (named / "tutorials" / notebook.stem / "index.html").read_text()
        assert f'href="{colab}/{notebook.name}"' in page

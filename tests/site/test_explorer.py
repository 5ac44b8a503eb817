"""The explorer's page in a browser: what a reader moves, sees and copies."""

import math
import re

import numpy as np
import pytest

from keras_oddsig import solver


@pytest.fixture
def explorer(browser, address):
    """A function that opens the page with settings; no page may complain."""
    contexts, complaints = [], []

    def open_page(settings="", width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(f"{address}explorer/{settings}")
        _at_rest(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _at_rest(page):
    """Waits for the predictions, and the sentence that ends them."""
    page.wait_for_function(
        """() => document.querySelector(".explorer-results").getAttribute("aria-busy") === "false"
            && document.querySelector(".explorer-status").textContent !== "" """
    )


def _number(page, name):
    return float(page.locator(f'.explorer-all [data-number="{name}"]').get_attribute("data-value"))


def test_sliders_change_numbers_curves_lines_and_address(explorer):
    page = explorer()
    assert _number(page, "gain") == pytest.approx(solver.orthogonal_gain(np.tanh, 100).gain)
    before = page.locator('[data-chart="spread"] polyline.ours').get_attribute("points")
    slider = page.get_by_label("Depth, slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    depth = int(page.get_by_label("Depth hidden layers").input_value())
    assert depth < 100
    assert slider.get_attribute("aria-valuetext") == str(depth)
    assert _number(page, "gain") == pytest.approx(solver.orthogonal_gain(np.tanh, depth).gain)
    assert page.locator('[data-chart="spread"] polyline.ours').get_attribute("points") != before
    assert f"depth={depth}, input_std=1.0" in page.locator("pre").inner_text()
    page.wait_for_function(f"location.hash === '#depth={depth}'")
    # The sentence for those who listen follows, too.
    gain = page.locator('.explorer-main [data-number="gain"]').inner_text()
    page.wait_for_function(
        f"document.querySelector('.explorer-status').textContent.includes({gain})"
    )
    page.get_by_role("button", name="Reset").click()
    assert _number(page, "gain") == pytest.approx(solver.orthogonal_gain(np.tanh, 100).gain)
    page.wait_for_function("location.hash === ''")


def test_address_keeps_the_settings(explorer):
    settings = "kernel=diagonal&activation=algebraic&order=3&rate=0.5&depth=30&negative_rate=0.2"
    page = explorer(f"#{settings}")
    sigma = solver.noise_scale(30, 0.2)
    assert _number(page, "noise_scale") == pytest.approx(sigma)

    assert "ko.Algebraic(order=3.0, rate=0.5), depth=30" in page.locator("pre").inner_text()
    spread = _number(page, "last_spread")
    page.reload()
    _at_rest(page)
    assert page.evaluate("location.hash.slice(1).split('&').sort().join('&')") == "&".join(
        sorted(settings.split("&"))
    )
    assert _number(page, "last_spread") == spread
    # Another address, pasted into the same page, and back.
    page.evaluate("location.hash = '#depth=50'")
    assert page.get_by_label("Depth hidden layers").input_value() == "50"


def test_few_inputs_show_derivatives(explorer):
    page = explorer("#input=few&depth=5&width=16&kernel=diagonal&inputs=1")
    assert page.locator("figure:visible").count() == 4
    rows = ("last_first", "last_second")
    diagonal = [_number(page, name) for name in rows]
    page.get_by_label("rotation").check()
    assert page.locator("figure:visible").count() == 3
    assert _number(page, "gain") == pytest.approx(solver.smooth_gain(5))
    points = np.linspace(-1, 1, 201)[:, None]
    known = solver.derivatives_orthogonal(np.tanh, 5, solver.smooth_gain(5), points, 0, 1.0)
    rotation = [_number(page, name) for name in rows]
    assert rotation == pytest.approx([known.first[-1], known.second[-1]], rel=0.03)
    assert diagonal != rotation
    sigma = solver.noise_scale(5, 0.1)
    few = (np.arange(12)[:, None] + 0.5) / 12  # the law at x is that at -x
    known = solver.derivatives_diagonal(np.tanh, 5, sigma, few, first_gain=1.0)
    assert diagonal == pytest.approx([known.first[-1], known.second[-1]], rel=0.05)


def test_odd_inputs_get_a_message_where_they_stand(explorer):
    page = explorer()
    for field, text in (
        ("depth", ""),
        ("depth", "0"),
        ("depth", "1e9"),
        ("depth", "2.5"),
        ("amplitude", "-1"),
        ("rate", "three"),
        ("input_std", "0"),
        ("input_std", "Infinity"),
    ):
        before = page.locator("pre").inner_text()
        box = page.locator(f'[data-field="{field}"]')
        number = box.locator("input[type=text]")
        sound = number.input_value()
        number.fill(text)
        error = box.locator(".explorer-error")
        assert error.is_visible()
        assert error.inner_text().startswith("Give a ")
        assert number.get_attribute("aria-invalid") == "true"
        assert number.get_attribute("aria-describedby") == error.get_attribute("id")
        assert number.input_value() == text  # what was typed is left alone
        results = page.locator(".explorer-results")
        assert not re.search("NaN|undefined|Infinity", results.inner_html())
        assert page.locator("pre").inner_text() == before
        number.fill("3")
        assert not error.is_visible()
        assert page.locator("pre").inner_text() != before
        number.fill(sound)


def test_odd_addresses_show_a_message_and_numbers(explorer):
    page = explorer("#depth=1e9&activation=relu&width=2&input=few&inputs=3&nonsense=1")
    assert page.locator(".explorer-error:visible").count() == 2
    assert page.locator("select").input_value() == "tanh"
    assert "NaN" not in page.locator("div.explorer").inner_html()
    assert math.isfinite(_number(page, "gain"))


def test_extreme_settings_stay_finite(explorer):
    page = explorer(
        "#activation=bipolar_sigmoid&amplitude=0.01&rate=0.01&input_std=1000&depth=1000"
    )
    for settings in (
        "activation=erf&amplitude=100&rate=100&input_std=0.001&depth=2",
        "kernel=diagonal&activation=erf&rate=100&input_std=1000&depth=2&negative_rate=0.01",
        "kernel=diagonal&activation=algebraic&order=20&input_std=0.001&depth=2&negative_rate=0.49",
        "input=few&activation=arctan&amplitude=0.01&rate=100&depth=2&inputs=8&width=9",
        "input=few&kernel=diagonal&amplitude=100&rate=0.01&depth=3&inputs=1&width=2",
    ):
        page.evaluate(f"location.hash = {settings!r}")
        page.wait_for_timeout(20)
        _at_rest(page)
        assert not re.search("NaN|undefined|Infinity", page.locator("div.explorer").inner_html())
        values = page.locator(".explorer-all [data-value]")
        assert values.count() >= 5


def test_copy_puts_the_lines_on_the_clipboard(explorer):
    page = explorer("#activation=erf")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("pre").text_content()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_wide_and_narrow_screens_light_and_dark(explorer, width, scheme):
    page = explorer("#kernel=diagonal&input=few&depth=5&width=16", width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for figure in page.locator("figure:visible").all():
        box, chart = figure.bounding_box(), figure.locator("svg").bounding_box()
        assert chart["width"] > 250
        assert chart["x"] + chart["width"] <= box["x"] + box["width"] + 1
        assert figure.locator("svg").get_attribute("aria-label").count("layer") >= 2
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] < 128")
    assert dark == (scheme == "dark")
    # The pointer reads a layer's numbers.
    page.locator('[data-chart="first"] svg').hover()
    assert page.locator('[data-chart="first"] text.readout').text_content().startswith("layer 3: ")

"""The page of evidence: each script writes its own section and no other."""

import keras
import pytest

from reliability import page

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="text does not depend on the backend"
)


def test_a_section_is_added_and_then_replaced(tmp_path):
    path = tmp_path / "page.md"
    page.publish("a", "first", path)
    page.publish("b", "second\n", path)
    before = path.read_text()
    page.publish("a", "third", path)
    assert path.read_text() == before.replace("first", "third")
    assert before.count("<!-- end -->") == 2
    page.publish("b", "fourth", path)
    assert path.read_text() == before.replace("first", "third").replace("second", "fourth")


def test_what_stands_around_is_kept(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# Page\n\nwords\n\n<!-- a -->\nold\n<!-- end -->\n\nmore words\n")
    page.publish("a", "new", path)
    assert path.read_text() == "# Page\n\nwords\n\n<!-- a -->\nnew\n<!-- end -->\n\nmore words\n"


def test_a_place_without_an_end_is_an_error(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- a -->\nold\n")
    with pytest.raises(ValueError, match="<!-- end -->"):
        page.publish("a", "new", path)

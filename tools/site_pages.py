"""What the site takes from outside `docs/`: the hooks of MkDocs that `mkdocs.yml` names.

The tutorials are the notebooks of `examples/`, the changelog is `CHANGELOG.md`; they are read when
the site is built, and there is no second copy of them. Links of a page to other files of the
repository lead to those pages, to a file that the site carries along (the scripts of `examples/`),
or to the repository, if `GITHUB_REPOSITORY` says where that is; else they are plain text.
"""

from __future__ import annotations

import base64
import json
import os
import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File

ROOT: Final = Path(__file__).parent.parent
EXAMPLES: Final = ROOT / "examples"
_LINK: Final = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s:]+)\)")
_NAMED: Final = re.compile(r"(?<!\[)`((?:docs|examples|benchmarks)/[\w./-]+)`(?!\])")
_FENCED: Final = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
# In a page, where the list of the examples comes in.
_LISTS: Final = {"<!-- examples/README.md -->": ("examples", 1)}


def repository() -> str | None:
    """The address of the repository, where the environment says it."""
    name = os.environ.get("GITHUB_REPOSITORY")
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{name}" if name else None


def notebooks() -> list[Path]:
    return sorted(EXAMPLES.glob("[0-9]*_*.ipynb"))


# ----------------------------------------------------------------------------------
# MkDocs calls these
# ----------------------------------------------------------------------------------


def on_config(config: Any) -> Any:
    """Names the repository, and lists the tutorials that there are."""
    if repository():
        config.repo_url = repository()
        config.repo_name = os.environ["GITHUB_REPOSITORY"]
        config.edit_uri = "edit/main/docs/"
        config.theme["features"].append("content.action.edit")
    for entry in config.nav:
        if "Tutorials" in entry:
            entry["Tutorials"] += [_page_of(path) for path in notebooks()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages and files that come from outside `docs/`."""

    def add(uri: str, content: str | bytes, source: str) -> None:
        file = File.generated(config, uri, content=content)
        file.edit_uri = f"../{source}"
        files.append(file)

    add("changelog.md", (ROOT / "CHANGELOG.md").read_text(), "CHANGELOG.md")
    for path in notebooks():
        text, pictures = page_of_notebook(path)
        add(_page_of(path), text, f"examples/{path.stem}.py")
        add(f"tutorials/{path.name}", path.read_bytes(), f"examples/{path.name}")
        for name, picture in pictures.items():
            add(f"tutorials/{name}", picture, f"examples/{path.name}")
    for path in sorted([*EXAMPLES.glob("[!0-9]*.py"), *EXAMPLES.glob("*/*.py")]):
        name = path.relative_to(EXAMPLES).as_posix()
        add(f"tutorials/{name}", path.read_bytes(), f"examples/{name}")
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Puts in the list of the examples, and leads links that leave `docs/`."""
    for mark, (folder, level) in _LISTS.items():
        if mark in markdown:
            listed = (ROOT / folder / "README.md").read_text().split("\n", 1)[1]
            listed = re.sub(r"^#", "#" * level, listed, flags=re.MULTILINE)
            markdown = markdown.replace(mark, led(listed, folder, page.file.src_uri))
    uri = page.file.src_uri
    folder = "." if uri == "changelog.md" else posixpath.dirname(f"docs/{uri}")
    return led(markdown, folder, uri)


# ----------------------------------------------------------------------------------
# Links
# ----------------------------------------------------------------------------------


def led(markdown: str, folder: str, page: str) -> str:
    """A text whose links were written in `folder` of the repository, for a page of the site.

    Paths that stand there as code, such as `examples/quickstart.py`, become links, too.
    """

    def lead(match: re.Match[str]) -> str:
        text, target = match.groups()
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path)) if path else ""
        inside = _in_site(path)
        if not path or (inside is None and not (ROOT / path).exists()):
            return match[0]  # MkDocs complains, where something is wrong
        if inside is not None:
            relative = posixpath.relpath(inside, posixpath.dirname(page) or ".")
            return f"[{text}]({relative}{'#' * bool(anchor)}{anchor})"
        if repository():
            return f"[{text}]({repository()}/blob/main/{path})"
        return text

    def name(match: re.Match[str]) -> str:
        path = match[1]
        if not (ROOT / path).exists() or not (_in_site(path) or repository()):
            return match[0]
        return f"[{match[0]}]({posixpath.relpath(path, folder)})"

    def both(text: str) -> str:
        return _LINK.sub(lead, _NAMED.sub(name, text))

    parts, end = [], 0
    for fence in _FENCED.finditer(markdown):
        parts += [both(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, both(markdown[end:])])


def _in_site(path: str) -> str | None:
    """Where the site has a file of the repository."""
    if path.startswith("docs/") and "." in posixpath.basename(path):
        return path.removeprefix("docs/")
    if path == "CHANGELOG.md":
        return "changelog.md"
    if path in ("examples", "examples/README.md"):
        return "tutorials/index.md"
    if path.startswith("examples/") and path.endswith(".ipynb"):
        return _page_of(Path(path))
    if path.startswith("examples/") and path.endswith(".py"):
        return "tutorials/" + path.removeprefix("examples/")
    return None


def _page_of(notebook: Path) -> str:
    return f"tutorials/{notebook.stem}.md"


# ----------------------------------------------------------------------------------
# Notebooks
# ----------------------------------------------------------------------------------


def page_of_notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as a page: its Markdown, and the pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        source = _text(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(led(source, "examples", _page_of(path)))
        elif cell["cell_type"] == "code" and source.strip():
            parts.append(_fenced(source, "python"))
            for output in cell["outputs"]:
                name = f"{path.stem}_{number}_{len(pictures)}.png"
                parts.append(_shown(output, name, pictures))
        if len(parts) == 1:
            parts.append(_ways_to_open(path))
    return "\n\n".join(part for part in parts if part) + "\n", pictures


def _ways_to_open(path: Path) -> str:
    ways = [f'<a href="../{path.name}" download>Download the notebook</a>']
    if repository() and "github.com" in str(repository()):
        place = f"{os.environ['GITHUB_REPOSITORY']}/blob/main/examples/{path.name}"
        link = f"https://colab.research.google.com/github/{place}"
        ways.insert(0, f"[Open in Colab]({link})")
    return " · ".join(ways)


def _shown(output: dict[str, Any], name: str, pictures: dict[str, bytes]) -> str:
    """What a cell printed or returned."""
    if output["output_type"] == "stream":
        return _fenced(_text(output["text"]), "output")
    data = output.get("data", {})
    if "image/png" in data:
        pictures[name] = base64.b64decode(_text(data["image/png"]))
        return f"![What the cell above draws]({name})"
    return _fenced(_text(data["text/plain"]), "output") if "text/plain" in data else ""


def _fenced(text: str, kind: str) -> str:
    opening = "```python" if kind == "python" else "``` { .text .output }"
    text = _COLOURS.sub("", text).rstrip("\n")
    # A fence of its own length, for what has one inside.
    longer = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall(r"^`{3,}", text, re.M))])
    return f"{longer}{opening[3:]}\n{text}\n{longer}" if text.strip() else ""


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)

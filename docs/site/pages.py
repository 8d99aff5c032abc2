"""The site's pages that are at the top of the repository, with their links adapted to the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""File of the repository -> page of the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=re.sub(r"\]\(([^)#:]+)(#[^)]*)?\)", _link, text)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that leave docs/ for a file at the top of the repository."""
    if page.file.src_uri in PAGES.values():
        return markdown
    depth = page.file.src_uri.count("/") + 1
    return re.sub(rf"\]\((?:\.\./){{{depth}}}([\w.-]+)(#[^)]*)?\)", _up, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Mark the options in code among words, so that they are not broken after their hyphens."""
    return re.sub(r"<code>([^<]*)</code>", _options, html)


def _options(match: re.Match[str]) -> str:
    marked = re.sub(r"(?<![\w-])--?[\w-]+", r'<span class="option">\g<0></span>', match[1])
    return f"<code>{marked}</code>"


def _link(match: re.Match[str]) -> str:
    target, anchor = match[1], match[2] or ""
    if target.startswith("docs/"):
        return f"]({target.removeprefix('docs/')}{anchor})"
    # A file that is not a page, such as the licence, is shown as its name.
    return f"]({PAGES[target]}{anchor})" if target in PAGES else "](#)"


def _up(match: re.Match[str]) -> str:
    target, anchor = match[1], match[2] or ""
    if target not in PAGES:
        return match[0]
    steps = match[0].count("../") - 1
    return f"]({'../' * steps}{PAGES[target]}{anchor})"

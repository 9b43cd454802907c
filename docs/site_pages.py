"""What the site has of pages that lie beside docs/, and their links: a hook of mkdocs.yml.

In the repository a page links to files as they lie there. In the site the folder docs/ is gone, so
each link to a page is written as it is there, and of a link to any other file its words are left.
"""

import os
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
BESIDE = ("README.md", "CHANGELOG.md", "SECURITY.md", "examples/README.md")
BESIDE += ("examples/ci/README.md", "examples/deploy/README.md")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)]*)?\)")
CODE = re.compile(r"(?ms)(^ *```.*?^ *```$|`[^`\n]+`)")


def on_files(files, config):
    for name in BESIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown, page, config, files):
    here = page.file.src_uri
    folder = (ROOT if here in BESIDE else ROOT / "docs").joinpath(here).parent

    def link(found):
        image, text, target, anchor = found.groups()
        path = os.path.relpath(folder / target, ROOT).removeprefix("docs/")
        if files.get_file_from_path(path) is None:
            return text
        return (
            f"{image}[{text}]({os.path.relpath(path, os.path.dirname(here) or '.')}{anchor or ''})"
        )

    parts = CODE.split(markdown)
    return "".join(
        part if number % 2 else LINK.sub(link, part) for number, part in enumerate(parts)
    )

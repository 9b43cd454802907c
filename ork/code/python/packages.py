"""Where the packages of a project lie that is installed as it is developed."""

from __future__ import annotations

import posixpath
import re

from ork.code.tables.documents import items_at, read_document, texts_at
from ork.code.use import Kind, Read, plain

PACKAGED_BY = ("pyproject.toml", "setup.py", "setup.cfg")  # what `pip install -e .` needs
INSTALLED_FROM = ("src", "")  # the folders where packages of the root lie, as a rule
# The keys that name folders in which packages lie.
_FOLDERS = (
    "tool.setuptools.package-dir.",
    "tool.setuptools.packages.find.where",
    "tool.poetry.packages.from",
    "tool.pdm.build.package-dir",
    "tool.uv.build-backend.module-root",
    "tool.maturin.python-source",
    "tool.hatch.build.targets.wheel.sources",
)
_PACKAGES = "tool.hatch.build.targets.wheel.packages"  # and one that names the packages
_FOLDER = re.compile(
    r"""(?:package_dir\s*=\s*(?:\{\s*(?:""|'')\s*:\s*["']|=\s*)|\bwhere\s*=\s*["']|^where\s*=\s*"""
    r"""|\bfind_(?:namespace_)?packages\(\s*["'])([\w./-]+)""",
    re.M,
)
_PLACES = re.compile(
    r"package_dir[ \t]*=[ \t]*(\{[^{}]{0,2000}\}|(?:\r?\n[ \t]+[^\n]{0,200}){1,50})"
)
_PLACE = re.compile(r"""([A-Za-z_][\w.]*)["']?\s*[:=]\s*["']?([\w./-]+)""")


def package_folders(read: Read, kind: Kind) -> dict[str, str]:
    """Return the folders where packages of the root lie, each with the file that says so."""
    found = dict.fromkeys(INSTALLED_FROM, "")
    for path in PACKAGED_BY:
        data = read(path) if kind(path) == "file" else None
        for folder in map(plain, sorted(read_folders(path, data)) if data else ()):
            if folder is not None:
                found.setdefault(folder, path)
    return found


def read_folders(path: str, data: bytes) -> set[str]:
    """Return the folders where one of the files says that packages lie."""
    text, whole = read_document(path, data)
    found = _FOLDER.findall(text) if path.startswith("setup.") else []
    found += [folder for key in _FOLDERS for folder in texts_at(whole, *key.split("."))]
    found += [posixpath.dirname(one) for one in texts_at(whole, *_PACKAGES.split("."))]
    return {posixpath.normpath(folder) for folder in found}


def read_places(path: str, data: bytes) -> dict[str, str]:
    """Return the packages of which such a file says where each lies: in a folder of any name."""
    text, whole = read_document(path, data)
    found = [*items_at(whole, "tool", "setuptools", "package-dir")]
    if path.startswith("setup."):
        found += [pair for block in _PLACES.findall(text) for pair in _PLACE.findall(block)]
    return {n: posixpath.normpath(f) for n, f in found if n and isinstance(f, str)}

"""What an exported flow needs installed: the distributions that its code imports, in the versions that are here.

Only what is certain is written: a module that is not installed has no version, and what a package imports only when it
is needed (a reader of Parquet files, for example) is known only if the notebook installs it with ``%pip``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import re
import shlex
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from flownb.flow.definition import FlowDefinition
from flownb.flow_file.imports import STANDARD

__all__ = ["Requirements", "find_requirements", "pyproject_text", "requirements_text", "written_state"]

_SPEC = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?")
_MARK = re.compile(r"# Written by flownb for [^\n]*; content (?P<hash>[0-9a-f]{16})\.\n")
_LEAST_METAFLOW = "2.19"  # the oldest version that flows are tested with


@dataclass(frozen=True)
class Requirements:
    """What a flow needs.

    Attributes
    ----------
    specifiers : tuple of str
        As pip and uv read them, sorted by name: ``numpy==2.1.0``.
    missing : tuple of str
        Top-level modules that are imported and not installed here.
    """

    specifiers: tuple[str, ...]
    missing: tuple[str, ...]


def find_requirements(flow: FlowDefinition, folder: Path | None, installs: Sequence[str]) -> Requirements:
    """Find the distributions that the code of a flow imports.

    Parameters
    ----------
    flow : FlowDefinition
    folder : Path or None
        The notebook's folder; the own modules in there are read, too.
    installs : sequence of str
        What the notebook's ``%pip install`` lines name. Their extras count, and so do distributions that nothing
        imports; the version is the one that is installed.
    """
    modules = _Modules(folder)
    for cell in flow.marked:
        if cell.parsed.tree is not None:
            modules.read(cell.parsed.tree)
    here = _Installed()
    found: dict[str, str] = {}
    missing: set[str] = set()
    for module in sorted(modules.found):
        top = module.partition(".")[0]
        if top in ("metaflow", "flownb") or top in STANDARD:
            continue
        names = here.distributions_of(module)
        found.update((_normal(name), name) for name in names)
        if not names:
            missing.add(top)
    extras: dict[str, str] = {}
    others: dict[str, str] = {}
    for spec in installs:
        match = _SPEC.match(spec)
        if match is None or "/" in spec.partition("@")[0]:
            continue  # a folder, a file or an address
        key = _normal(match["name"])
        if match["extras"]:
            extras[key] = f"[{match['extras'].replace(' ', '')}]"
        if key in ("metaflow", "flownb"):
            continue
        if here.version(match["name"]) is not None:
            found.setdefault(key, match["name"])
        else:
            others[key] = spec
        missing -= {one for one in missing if _normal(one) == key}
    pinned = {key: f"{key}{extras.get(key, '')}=={here.version(name)}" for key, name in found.items()}
    metaflow = here.version("metaflow")
    pinned["metaflow"] = f"metaflow=={metaflow}" if metaflow else f"metaflow>={_LEAST_METAFLOW}"
    return Requirements(tuple(text for _, text in sorted({**others, **pinned}.items())), tuple(sorted(missing)))


def _normal(name: str) -> str:
    """The name of a distribution as indexes have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class _Installed:
    """The distributions of this environment."""

    @cached_property
    def _providers(self) -> Mapping[str, list[str]]:
        """Distributions by the top-level modules that they have."""
        return importlib.metadata.packages_distributions()

    def version(self, name: str) -> str | None:
        """The version of a distribution without what only its builder gave it (``+cpu``); None if it is not here."""
        try:
            return importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            return None

    def distributions_of(self, module: str) -> list[str]:
        """The distributions that have a module; of several that share its package those that have the module's file."""
        names = sorted(set(self._providers.get(module.partition(".")[0], ())))
        if len(names) < 2:
            return names
        parts = module.split(".")
        for length in range(len(parts), 1, -1):
            path = "/".join(parts[:length])
            having = [name for name in names if self._has(name, path)]
            if having:
                return having
        return names

    def _has(self, name: str, path: str) -> bool:
        """Whether a distribution has a module's file."""
        files = importlib.metadata.files(name) or ()
        return any(str(file).startswith((f"{path}/", f"{path}.")) for file in files)


class _Modules:
    """The modules that code imports, own modules followed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: set[Path] = set()
        self.found: set[str] = set()

    def read(self, tree: ast.AST, package: str = "") -> None:
        """Add what a module of a package imports; imports that only type checkers see do not count."""
        for module in _imported(tree, package):
            files = list(self._files(module))
            if not files and self._is_own(module):
                continue  # a name in an own module
            if not files:
                self.found.add(module)
            for path in files:
                if path in self._read:
                    continue
                self._read.add(path)
                own = module if path.name == "__init__.py" else module.rpartition(".")[0]
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        code = ast.parse(path.read_bytes())
                except (OSError, SyntaxError, ValueError):
                    continue
                self.read(code, own)

    def _is_own(self, module: str) -> bool:
        """Whether a module is in a package or module of the notebook's folder."""
        return any(True for _ in self._files(module.partition(".")[0]))

    def _files(self, module: str) -> Iterator[Path]:
        """The file of an own module."""
        if self._folder is None:
            return
        place = self._folder.joinpath(*module.split("."))
        for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if path.is_file():
                yield path


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """The modules that code imports, and what may be modules: ``from a import b`` gives ``a`` and ``a.b``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            for other in node.orelse:
                yield from _imported(ast.Module([other], []), package)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*filter(None, base), *([node.module] if node.module else [])])
            if module:
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names if alias.name != "*")
        else:
            yield from _imported(node, package)


def requirements_text(found: Requirements, filename: str) -> str:
    """The text of ``requirements.txt``."""
    lines = [f"# `{name}` is imported too; it was not installed here." for name in found.missing]
    return _marked("".join(f"{line}\n" for line in (*lines, *found.specifiers)), filename)


def pyproject_text(found: Requirements, flow: str, filename: str) -> str:
    """The text of a ``pyproject.toml``, of which ``uv lock`` makes what Metaflow's ``--environment=uv`` reads.

    Parameters
    ----------
    found : Requirements
    flow : str
        The name of the flow's class.
    filename : str
        The exported file.
    """
    name = _normal(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", flow)).strip("-")
    name = name if name.isascii() else "flow"
    if any(_normal(spec).startswith(name) for spec in found.specifiers):
        name += "-flow"  # a project cannot depend on itself
    lines = [
        "#",
        "#   uv lock",
        f"#   uv run python {shlex.quote(filename)} --environment=uv run",
        "",
        "[project]",
        f"name = {json.dumps(name)}",
        'version = "0.0.0"',
        f'requires-python = ">={sys.version_info[0]}.{sys.version_info[1]}"',
        "dependencies = [",
        *(f"    {json.dumps(spec)}," for spec in found.specifiers),
        "]",
        "",
        "[tool.uv]",
        "package = false",
    ]
    return _marked("".join(f"{line}\n" for line in lines), filename)


def _marked(text: str, filename: str) -> str:
    """A text below the line by which flownb recognises what it wrote."""
    return f"# Written by flownb for {filename}; content {_digest(text)}.\n{text}"


def written_state(text: str) -> Literal["ours", "edited", "foreign"]:
    """Whether flownb wrote a text that `requirements_text` or `pyproject_text` made, and nobody edited it since."""
    text = text.replace("\r\n", "\n")
    found = _MARK.match(text)
    if found is None:
        return "foreign"
    return "ours" if _digest(text[found.end() :]) == found["hash"] else "edited"


def _digest(text: str) -> str:
    """A hash of lines, without blanks at their ends."""
    said = "\n".join(_stripped(text.split("\n"))).strip()
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _stripped(lines: Iterable[str]) -> Iterator[str]:
    """Lines without blanks at their ends."""
    return (line.rstrip() for line in lines)

"""``IncludeFile`` with Metaflow's meaning: a parameter whose value is a file's content.

Takes a path; gives the content, read when the run starts. Rules follow ``metaflow/includefile.py`` of 2.19.39.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flownb.errors import ParameterError
from flownb.runtime.parameters.config_expr import configs_read
from flownb.runtime.parameters.parameter import OPTIONS, Parameter
from flownb.runtime.parameters.parsers import Parser, call_parser

__all__ = ["IncludeFile"]


class IncludeFile(Parameter):
    """A file that a run is started with; every step can read its content.

    Parameters
    ----------
    name : str
        Name on the command line, where it takes a path.
    required : bool, default False
    is_text : bool, default True
        Whether the content is a ``str``; else it is ``bytes``.
    encoding : str, default "utf-8"
    help : str, optional
    parser : callable or str, optional
        What makes a value of the content, each time a task reads it; a dotted name is imported. The artifact is the
        content itself.
    default : str or callable, optional
        Path of the file, from the notebook's folder; a callable is called with a `ParameterContext`.
    show_default : bool, default True
    """

    kind_name = "IncludeFile"
    accepted = tuple(option for option in OPTIONS if option not in ("type", "separator"))

    def __init__(
        self,
        name: str,
        required: bool | None = None,
        is_text: bool | None = None,
        encoding: str | None = None,
        help: str | None = None,  # noqa: A002  # Metaflow's own name for it
        parser: Parser | None = None,
        **options: Any,
    ) -> None:
        if configs_read([is_text, encoding, parser]):
            raise ParameterError(
                f"IncludeFile `{name}` takes is_text, encoding or parser from a config.",
                "Metaflow needs them before it knows the configs.",
                "Write their values out.",
            )
        self.is_text = True if is_text is None else bool(is_text)
        self.encoding = encoding or "utf-8"
        self.parser = parser
        super().__init__(name, required=required, help=help, **options)

    @property
    def kind(self) -> Any:
        """Paths are given as texts."""
        return str

    def load(self, raw: Any) -> Any:
        """The content, parsed if there is a parser."""
        if raw is None or self.parser is None:
            return raw
        return call_parser(self.parser, raw, what=f"IncludeFile `{self.name}`")

    def convert(self, value: Any, *, folder: Path | None = None) -> Any:
        """Read the file of a path.

        Raises
        ------
        ParameterError
            If it cannot be read, or is no text of the encoding.
        """
        if not isinstance(value, str | Path):
            raise ParameterError(
                f"IncludeFile `{self.name}` cannot be {value!r}.", "Its value is a path.", "Give the path of a file."
            )
        if "://" in str(value):
            raise ParameterError(
                f"IncludeFile `{self.name}` cannot be {value!r}.",
                "Metaflow includes local files only.",
                "Download the file first, or read it in a step.",
            )
        try:
            path = (folder or Path()) / Path(value).expanduser()
            return path.read_text(self.encoding) if self.is_text else path.read_bytes()
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ParameterError(
                f"IncludeFile `{self.name}`: `{value}` cannot be read.",
                f"{str(reason).rstrip('.')}.",
                f"Give the path of a file, for example --{self.name} PATH.",
            ) from error
        except (UnicodeDecodeError, LookupError) as error:
            raise ParameterError(
                f"IncludeFile `{self.name}`: `{value}` is no text of the encoding {self.encoding}.",
                f"{error}.",
                "Name its encoding, or use is_text=False.",
            ) from error

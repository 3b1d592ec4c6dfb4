"""The settings of flownb, which docs/settings.md lists: one traitlets ``Configurable`` for notebooks and terminals.

``%config Flownb`` shows and changes them in a notebook; ``c.Flownb.datastore = …`` in ``ipython_config.py`` sets them
for notebooks and for the command line. Each setting has an environment variable, in which its value is kept: what needs
a setting reads the variable (`flownb.settings`, `flownb.store.s3`), and processes that are started inherit it. A
variable that the process was started with counts more than a file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import Any

from traitlets import Bool, Enum, Float, Int, List, TraitError, TraitType, Unicode
from traitlets.config import Configurable

from flownb.errors import ParameterError
from flownb.settings import DATASTORE_VARIABLE, OFF

__all__ = ["Flownb", "table"]


class Flownb(Configurable):
    """Settings of flownb; each can be set by an environment variable as well (docs/settings.md)."""

    datastore = Unicode(
        help="Where runs and artifacts are kept: a folder, or s3://bucket/prefix. Empty means .flownb beside the "
        "notebook."
    ).tag(config=True, variable=DATASTORE_VARIABLE, option="--datastore")
    max_workers = Int(
        0, min=0, help="How many tasks of a run execute at once; 0 means as many as there are processors."
    ).tag(config=True, variable="FLOWNB_MAX_WORKERS", option="--max-workers")
    report_details = Bool(
        False, help="Whether the report under a step cell shows its details at once, not only when it is opened."
    ).tag(config=True, variable="FLOWNB_REPORT_DETAILS")
    ignored_variables = List(
        Unicode(),
        help="Names of environment variables that do not make a result stale, whatever a step reads of them; in the "
        "environment variable they are separated by commas.",
    ).tag(config=True, variable="FLOWNB_IGNORED_VARIABLES")
    cache = Unicode(
        help="The folder in which artifacts of a bucket are cached. Empty means the user's cache folder."
    ).tag(config=True, variable="FLOWNB_CACHE")
    cache_size = Unicode("20G", help="How large the cache may become: 500M, 20G; 0 turns it off.").tag(
        config=True, variable="FLOWNB_CACHE_SIZE"
    )
    s3_compression = Enum(
        ("none", "lz4", "zstd"), "none", help="How artifacts are compressed, on the wire and in the bucket."
    ).tag(config=True, variable="FLOWNB_S3_COMPRESSION")
    s3_timeout = Float(30.0, help="Seconds until a server that cannot be reached is an error.").tag(
        config=True, variable="FLOWNB_S3_TIMEOUT"
    )
    page_map = Bool(
        True, help="Whether the kernel's page map says which loaded values were written to; off compares all of them."
    ).tag(config=True, variable="FLOWNB_PAGE_MAP")
    index_bitmaps = Bool(
        True, help="Whether runs are filtered by the index's bit maps; off looks at the row of every run."
    ).tag(config=True, variable="FLOWNB_INDEX_BITMAPS")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, trait in _settings():
            variable = trait.metadata["variable"]
            if os.environ.get(variable):
                with contextlib.suppress(TraitError, ValueError):  # whoever needs it says what is wrong with it
                    setattr(self, name, _value(trait, os.environ[variable]))
            elif getattr(self, name) != trait.default():
                os.environ[variable] = _text(getattr(self, name))
        self.observe(self._changed, [name for name, _ in _settings()])

    @classmethod
    def of(cls, **given: Any) -> Flownb:
        """Make the settings from a shell (`parent`) or from what files configure (`config`).

        Raises
        ------
        ParameterError
            If a setting has a value that is not accepted.
        """
        try:
            with warnings.catch_warnings(record=True) as noted:
                warnings.simplefilter("always")
                made = cls(**given)
        except TraitError as error:
            raise ParameterError(
                "A setting of flownb in IPython's configuration is not accepted.",
                f"{str(error).rstrip('.')}.",
                "Correct c.Flownb in ipython_config.py; docs/settings.md says what is accepted.",
            ) from None
        for one in noted:  # of a setting that there is not
            print(f"note: {one.message}", file=sys.stderr)
        return made

    def _changed(self, change: Any) -> None:
        """Keep a new value in the setting's variable; the default needs none."""
        trait = self.traits()[change.name]
        if change.new == trait.default():
            os.environ.pop(trait.metadata["variable"], None)
        else:
            os.environ[trait.metadata["variable"]] = _text(change.new)


def table() -> list[str]:
    """The rows of the table of docs/settings.md."""
    rows = ["| setting | environment variable | command line | meaning | default |", "|---|---|---|---|---|"]
    for name, trait in _settings():
        option = f"`{trait.metadata['option']}`" if "option" in trait.metadata else ""
        default = f"`{trait.default()!r}`"
        rows.append(f"| `{name}` | `{trait.metadata['variable']}` | {option} | {trait.help} | {default} |")
    return rows


def _settings() -> list[tuple[str, TraitType[Any, Any]]]:
    """All settings, in the order in which they are defined."""
    own = Flownb.class_own_traits(config=True)
    return [(name, own[name]) for name in vars(Flownb) if name in own]


def _value(trait: TraitType[Any, Any], text: str) -> Any:
    """The value that an environment variable gives a setting."""
    if isinstance(trait, List):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(trait, Bool):
        return text.strip().lower() not in OFF
    return trait.from_string(text) if isinstance(trait, Int | Float) else text


def _text(value: Any) -> str:
    """The text of a setting's value in its environment variable."""
    if isinstance(value, list):
        return ",".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)

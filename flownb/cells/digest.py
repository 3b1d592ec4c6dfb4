"""A hash of Python code that depends on what the code says, and not on its layout.

The syntax tree is hashed, so comments, blank lines, quotes and line breaks do not change the hash. If code can see its
own text or its line numbers, the text is hashed.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from functools import lru_cache

__all__ = ["code_digest", "same_decorators", "sees_others_text", "sees_text", "text_digest"]

# Words with which code can see its own text or its lines: modules, attributes of stack frames and code objects. A hash
# of the text is never wrong, so a word too many only makes comments count.
SEES_TEXT = re.compile(
    r"\b(?:inspect|traceback|linecache|tokenize|getsource\w*|_getframe|currentframe|exc_info|settrace|setprofile"
    r"|[ft]b_\w+|f_lineno|co_\w+|__code__|__traceback__|__loader__|__spec__|get_data|get_source|findsource|lineno"
    r"|format_exc|print_exc|format_stack|extract_\w+|stack_info|showwarning|catch_warnings|findCaller)\b"
)
# A module's own file; in a cell it is the path of flow.py, which does not have the cell's text.
SEES_FILE = re.compile(r"\b__(?:file|cached)__\b")
# The file of another module.
SEES_OTHERS_FILE = re.compile(r"\.\s*__(?:file|cached)__\b")


def code_digest(source: str | bytes, *, is_file: bool = False) -> str:
    r"""Hash code by its syntax tree, or by its text if it has no tree or can see its text.

    Parameters
    ----------
    source : str or bytes
        A module's or a cell's text.
    is_file : bool, default False
        Whether it is the content of a file, which code can find by ``__file__``.

    Returns
    -------
    str
        16 hexadecimal digits.

    Notes
    -----
    Docstrings count, as code can read them. Type comments count, as some compilers do. Line numbers do not.

    Examples
    --------
    >>> code_digest("x = [1, 'a']  # two") == code_digest('x = [\n    1,\n    "a",\n]')
    True
    >>> code_digest("x = 1") == code_digest("x = 2")
    False
    """
    if is_file and isinstance(source, bytes):
        source = source.removeprefix(b"\xef\xbb\xbf")
    text = source if isinstance(source, str) else source.decode("latin-1")
    if sees_text(text) or (is_file and SEES_FILE.search(text)):
        return text_digest(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, type_comments=True)
        tree.type_ignores.clear()
        shown = ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a huge number cannot be shown
        return text_digest(text)
    return text_digest(shown)


def sees_text(code: str) -> bool:
    """Whether code may look at the text or the lines of code: its own or its callers'."""
    return SEES_TEXT.search(code) is not None


@lru_cache(maxsize=1024)
def sees_others_text(code: str) -> bool:
    """Whether code may look at the text or the lines of other code, or read another module's file."""
    return sees_text(code) or SEES_OTHERS_FILE.search(code) is not None


def text_digest(text: str) -> str:
    """Hash a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def same_decorators(one: str, other: str) -> bool:
    """Whether decorator lines say the same; they are compared as code."""
    return one == other or _decorators(one) == _decorators(other)


@lru_cache(maxsize=512)
def _decorators(text: str) -> str:
    """A hash of decorator lines."""
    return code_digest(f"{text}\ndef decorated(): pass")

"""The closest of some names, which messages suggest."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from flownb.errors import closest

NAMES = st.text(alphabet="abc_1µ日", max_size=10)


@given(NAMES, st.lists(NAMES, max_size=20), st.sampled_from([0.3, 0.6, 0.8]))
def test_closest_is_what_difflib_finds(word: str, words: list[str], cutoff: float) -> None:
    """Counting letters first never changes which word is the closest."""
    expected = next(iter(difflib.get_close_matches(word, words, n=1, cutoff=cutoff)), None)
    assert closest(word, words, cutoff=cutoff) == expected

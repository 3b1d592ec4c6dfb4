"""Random numbers of workers: those of each attempt differ, unless they were seeded.

Each worker gets generators as a process of its own would have them. Metaflow imports a package again in each task, so a
generator that the package made without a seed differs from task to task there, and a seeded one is the same in all.
"""

from __future__ import annotations

import contextlib
import gc
import random
import secrets
import sys
import weakref
from collections.abc import Iterator
from typing import Any

__all__ = ["reseed", "watched_imports"]

_draw_bits = secrets.randbits
_watching = False
# Entropies that numpy drew because it was given no seed.
_drawn: set[int] = set()
_unseeded: weakref.WeakSet[random.Random] = weakref.WeakSet()
_bit_generators: list[Any] = []
# The state of Python's own generator, if a package seeded it.
_state: list[Any] = []


@contextlib.contextmanager
def watched_imports() -> Iterator[None]:
    """Note which generators are made inside the block, and which of them were not seeded."""
    global _watching
    kind: Any = random.Random
    methods = {name: vars(kind)[name] for name in ("seed", "setstate")}
    kind.seed, kind.setstate = _noted_seed(methods["seed"]), _noted_setstate(methods["setstate"])
    module: Any = random
    functions = module.seed, module.setstate
    module.seed, module.setstate = module._inst.seed, module._inst.setstate
    secrets.randbits = _randbits  # which numpy takes from there when it is imported
    _hand_to_numpy(_randbits)
    _watching = True
    before = len(_drawn)
    try:
        yield
    finally:
        _watching = False
        secrets.randbits = _draw_bits
        _hand_to_numpy(_draw_bits)
        module.seed, module.setstate = functions
        for name, method in methods.items():
            setattr(kind, name, method)
        if _state:
            _state[:] = [random.getstate()]
        if len(_drawn) > before:
            _find_bit_generators()


def reseed() -> None:
    """Let all generators that were not seeded begin somewhere else; called once in each worker."""
    for one in _unseeded:
        one.seed()
    if _state:  # Python has seeded its own generator after the fork
        random.setstate(_state[0])
    numpy: Any = sys.modules.get("numpy.random.mtrand")
    everywhere = [numpy._rand._bit_generator] if numpy is not None else []  # whoever imported it
    for generator in {id(one): one for one in (*_bit_generators, *everywhere) if _seed_sequence(one)}.values():
        fresh = type(generator)()
        try:
            generator.__setstate__(fresh.__getstate__())  # with what `spawn` makes others of
        except (AttributeError, TypeError, ValueError):  # numpy before 2.0
            generator.state = fresh.state
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def _noted_seed(seed: Any) -> Any:
    """``Random.seed`` that notes who was not given a seed."""

    def noted(self: random.Random, a: Any = None, *version: Any, **options: Any) -> None:
        seed(self, a, *version, **options)
        _note(self, seeded=a is not None)

    return noted


def _noted_setstate(setstate: Any) -> Any:
    """``Random.setstate`` that notes that the state is a known one."""

    def noted(self: random.Random, state: Any) -> None:
        setstate(self, state)
        _note(self, seeded=True)

    return noted


def _note(generator: random.Random, *, seeded: bool) -> None:
    """Remember whether a generator was seeded."""
    if not _watching:
        return
    if generator is random._inst:  # the one of `random.random`
        _state[:] = [None] if seeded else []
    elif seeded:
        _unseeded.discard(generator)
    else:
        _unseeded.add(generator)


def _randbits(k: int) -> int:
    """``secrets.randbits`` that notes what numpy draws when it is given no seed."""
    found = _draw_bits(k)
    if _watching:
        _drawn.add(found)
    return found


def _hand_to_numpy(function: Any) -> None:
    """Let numpy draw entropy by a function, if it was imported."""
    numpy: Any = sys.modules.get("numpy.random.bit_generator")
    if numpy is not None and getattr(numpy, "randbits", None) in (_randbits, _draw_bits):
        numpy.randbits = function


def _find_bit_generators() -> None:
    """Look for the bit generators that were not seeded."""
    numpy: Any = sys.modules.get("numpy.random.bit_generator")
    if numpy is None:
        return
    known = set(map(id, _bit_generators))
    for one in gc.get_objects():
        if isinstance(one, numpy.BitGenerator) and id(one) not in known:
            entropy = getattr(_seed_sequence(one), "entropy", None)
            if isinstance(entropy, int) and entropy in _drawn:
                _bit_generators.append(one)


def _seed_sequence(generator: Any) -> Any:
    """What a bit generator was made from; None of one that ``RandomState(7)`` or ``numpy.random.seed(7)`` seeded."""
    return getattr(generator, "seed_seq", None) or getattr(generator, "_seed_seq", None)

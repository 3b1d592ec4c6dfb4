"""Tensors and models of torch, whose storages stay outside of the pickle stream."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from flownb.store.encoding import decode, encode
from flownb.store.encodings.pickle5 import ENTRY, HEAD

torch: Any = pytest.importorskip("torch")

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()


def encoded(value: Any) -> bytes:
    """The whole blob of a value."""
    return b"".join(encode(value)[1])


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    return decode("pickle5", memoryview(bytearray(encoded(value))))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (50, 40)])
def test_tensors_come_back_exact(dtype: str, shape: tuple[int, ...]) -> None:
    """Type, shape and values are kept for every dtype, and the loaded tensor can be changed in place."""
    tensor = torch.ones(shape).to(getattr(torch, dtype))
    back = again(tensor)
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(tensor, back)
    back.zero_()
    assert int(back.to(torch.complex64).abs().sum()) == 0


def test_large_storages_stand_outside_the_stream() -> None:
    """A 4 MB tensor is one aligned buffer, and encoding does not copy it."""
    tensor = torch.zeros(1_000_000)
    parts = encode(tensor)[1]
    tensor[0] = 1
    assert bytes(parts[-1][:4]) == bytes(tensor[:1].view(torch.uint8).tolist())
    blob = b"".join(parts)
    offset, size = ENTRY.unpack_from(blob, HEAD.size)
    assert (offset % 64, size) == (0, 4_000_000)


def test_views_still_share_their_memory() -> None:
    """Tensors over one storage are over one storage after loading, which is stored once."""
    base = torch.arange(10_000)
    value = {"all": base, "part": base[10:20], "turned": base.reshape(100, 100).T}
    assert len(encoded(value)) < 90_000
    back = again(value)
    back["all"][11] = -1
    assert (int(back["part"][1]), int(back["turned"][11, 0])) == (-1, -1)
    assert back["turned"].stride() == value["turned"].stride()


def test_models_keep_tied_weights_and_gradients() -> None:
    """Parameters that are one object stay one, requires_grad is kept, and the model predicts the same."""
    model = torch.nn.Sequential(OrderedDict(a=torch.nn.Linear(30, 30), b=torch.nn.Linear(30, 30), c=torch.nn.ReLU()))
    model.b.weight = model.a.weight
    model.b.bias.requires_grad_(False)
    back = again(model)
    assert back.a.weight is back.b.weight
    assert [p.requires_grad for p in back.parameters()] == [p.requires_grad for p in model.parameters()]
    rows = torch.ones(2, 30)
    assert torch.equal(model(rows), back(rows))
    state = again(model.state_dict())
    assert list(state) == list(model.state_dict())
    assert state["a.weight"].data_ptr() == state["b.weight"].data_ptr()


def test_optimizers_and_sparse_tensors_come_back() -> None:
    """What is made of tensors comes back with them."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    back = again([weight, optimizer])
    assert torch.equal(weight, back[0])
    assert back[1].param_groups[0]["params"][0] is back[0]
    sparse = torch.eye(4).to_sparse()
    assert torch.equal(sparse.to_dense(), again(sparse).to_dense())


def test_equal_tensors_have_equal_bytes() -> None:
    """The same content gives the same blob, also after loading."""
    assert encoded(torch.ones(5000)) == encoded(torch.ones(5000))
    assert encoded(again(torch.ones(5000))) == encoded(torch.ones(5000))

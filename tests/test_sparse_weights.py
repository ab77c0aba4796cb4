"""Packed tensors: they come back exactly, they are small, and they live in a weights file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lpcnet_cq.sparse_pattern import CHANNELS, UNSTRUCTURED, Pattern
from lpcnet_cq.sparse_weights import pack_sparse, pack_tensors, packed_bytes, unpack_sparse, unpack_tensors
from lpcnet_cq.weights import read_tensors, write_tensors


def sparse(shape, zeros, seed=0, width=1):
    """Draw a tensor of which a share is zero, runs of `width` outputs at a time."""
    random = np.random.default_rng(seed)
    alive = np.repeat(random.permutation(np.prod(shape) // width) >= zeros * np.prod(shape) / width, width)
    return random.standard_normal(shape).astype(np.float32) * alive.reshape(shape)


VALUES = st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.5]) | st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=9), elements=VALUES))
def test_tensors_come_back(tensor):
    back = unpack_sparse(pack_sparse(tensor))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, tensor)


@given(arrays(np.float32, (4, 6), elements=VALUES), st.sampled_from([Pattern(2, 3), Pattern(1, 6), CHANNELS]))
def test_structured_tensors_come_back(tensor, pattern):
    np.testing.assert_array_equal(unpack_sparse(pack_sparse(tensor, pattern)), tensor)


@given(arrays(np.float16, (5, 7), elements=st.floats(-1e4, 1e4, width=16)))
def test_half_precision_keeps_what_it_can_hold(tensor):
    tensor = tensor.astype(np.float32)
    np.testing.assert_array_equal(unpack_sparse(pack_sparse(tensor, dtype=np.float16)), tensor)


def test_half_precision_rounds_the_rest():
    tensor = sparse((32, 32), 0.5)
    back = unpack_sparse(pack_sparse(tensor, dtype=np.float16))
    np.testing.assert_array_equal(back, tensor.astype(np.float16).astype(np.float32))


def test_four_fifths_of_zeros_leave_less_than_a_third():
    tensor = sparse((5, 64, 64), 0.8)
    assert packed_bytes(pack_sparse(tensor)) < 0.3 * tensor.nbytes
    assert packed_bytes(pack_sparse(tensor, dtype=np.float16)) < 0.15 * tensor.nbytes


def test_blocks_need_an_eighth_of_the_bits():
    tensor = sparse((64, 64), 0.8, width=8)
    plain, blocks = pack_sparse(tensor), pack_sparse(tensor, Pattern(1, 8))
    assert len(plain["mask"]) == 8 * len(blocks["mask"])
    assert blocks["values"].size == plain["values"].size == np.count_nonzero(tensor)


@pytest.mark.parametrize(
    ("tensor", "pattern", "dtype", "reason"),
    [
        (np.ones((2, 2)), UNSTRUCTURED, np.float32, "float64 cannot be packed"),
        (np.ones((2, 3), np.float32), Pattern(1, 2), np.float32, "do not tile"),
        (np.full((2, 2), 7e4, np.float32), UNSTRUCTURED, np.float16, "70000 is beyond float16"),
    ],
)
def test_what_cannot_be_packed_is_refused(tensor, pattern, dtype, reason):
    with pytest.raises(ValueError, match=reason):
        pack_sparse(tensor, pattern, dtype)


def test_parts_of_different_tensors_are_refused():
    parts = pack_sparse(sparse((8, 8), 0.5))
    with pytest.raises(ValueError):
        unpack_sparse(parts | {"values": parts["values"][1:]})


@pytest.mark.parametrize("pattern", [UNSTRUCTURED, Pattern(1, 8)])
def test_a_file_holds_sparse_and_dense_side_by_side(tmp_path, pattern):
    tensors = {
        "a/kernel": sparse((3, 8, 16), 0.9, width=8),
        "a/bias": np.zeros(16, np.float32),
        "dense/kernel": sparse((8, 8), 0.0),
        "odd/kernel": sparse((8, 5), 0.9),
        "integer/w": np.zeros((4, 4), np.int32),
    }
    path = tmp_path / "sparse.safetensors"
    write_tensors(path, pack_tensors(tensors, pattern, np.float16), {})
    stored, _ = read_tensors(path)
    assert {"a/kernel/mask", "a/kernel/values", "a/kernel/layout", "dense/kernel"} <= stored.keys()
    assert stored["dense/kernel"].dtype == np.float32  # half precision is for what is sparse only
    assert packed_bytes(stored) < packed_bytes(tensors)
    back = unpack_tensors(stored)
    assert back.keys() == tensors.keys()
    for name in tensors:
        np.testing.assert_allclose(back[name], tensors[name], rtol=1e-3)

"""Packed tensors: they come back exactly, they are small, and they live in a weights file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lpcnet_cq.checkpoint.sparse import pack_sparse, pack_tensors, packed_bytes, unpack_sparse, unpack_tensors
from lpcnet_cq.checkpoint.weight_groups import CHANNELS, PATTERNS, Pattern, resolve
from lpcnet_cq.checkpoint.weights import read_tensors, write_tensors


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


@given(arrays(st.sampled_from([np.int8, np.uint16, np.int64, np.float16]), (5, 7), elements=st.integers(0, 100)))
def test_tensors_of_any_type_keep_it(tensor):
    back = unpack_sparse(pack_sparse(tensor))
    assert back.dtype == tensor.dtype
    np.testing.assert_array_equal(back, tensor)


def test_four_fifths_of_zeros_leave_a_fifth_and_a_bit_per_weight():
    tensor = sparse((5, 64, 64), 0.8)
    assert packed_bytes(pack_sparse(tensor)) == pytest.approx(0.2 * tensor.nbytes + tensor.size / 8, abs=32)


def test_blocks_need_an_eighth_of_the_bits():
    tensor = sparse((64, 64), 0.8, width=8)
    plain, blocks = pack_sparse(tensor), pack_sparse(tensor, Pattern(1, 8))
    assert len(plain["mask"]) == 8 * len(blocks["mask"])
    assert blocks["values"].size == plain["values"].size == np.count_nonzero(tensor)


def test_a_pattern_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="do not tile"):
        pack_sparse(np.ones((2, 3), np.float32), Pattern(1, 2))


def test_parts_of_different_tensors_are_refused():
    parts = pack_sparse(sparse((8, 8), 0.5))
    with pytest.raises(ValueError, match=r"shape \(8, 8\) has other values"):
        unpack_sparse(parts | {"values": parts["values"][1:]})


@pytest.mark.parametrize("layout", [[1, 1, 8, 1 << 30], [0, 1, 8, 8], [1, 1, -8, -8], [3, 1, 8, 8], [1, 1, 8, 16]])
def test_a_shape_needs_its_mask_before_memory(layout):
    parts = pack_sparse(sparse((8, 8), 0.5))
    with pytest.raises(ValueError, match="has a mask of 8 bytes"):
        unpack_sparse(parts | {"layout": np.array(layout)})


def test_a_file_holds_sparse_and_dense_side_by_side(tmp_path):
    tensors = {
        "a/kernel": sparse((3, 8, 16), 0.9, width=8),
        "a/bias": np.zeros(16, np.float32),
        "dense/kernel": sparse((8, 8), 0.0),
        "odd/kernel": sparse((8, 5), 0.9),
        "integer/w": np.eye(24, dtype=np.int64),
    }
    path = tmp_path / "sparse.safetensors"
    write_tensors(path, pack_tensors(tensors), {})
    stored, _ = read_tensors(path)
    assert {"a/kernel/mask", "a/bias", "dense/kernel", "integer/w/values"} <= stored.keys()
    assert packed_bytes(stored) < packed_bytes(tensors)
    back = unpack_tensors(stored)
    assert back.keys() == tensors.keys()
    for name in tensors:
        np.testing.assert_array_equal(back[name], tensors[name])
        assert back[name].dtype == tensors[name].dtype


@pytest.mark.parametrize("name", PATTERNS)
def test_tensors_are_packed_by_the_groups_they_have(name):
    """Where whole groups are zero, no other pattern is smaller."""
    r, c = resolve(PATTERNS[name], (32, 32))
    alive = np.random.default_rng(0).random((32 // r, 32 // c)) < 0.3
    tensor = np.kron(alive, np.ones((r, c))).astype(np.float32)
    assert pack_tensors({"w": tensor})["w/layout"].tolist() == [r, c, 32, 32]

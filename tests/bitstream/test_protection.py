"""Protection of live streams: more of it for more loss, copies where the bitrate allows them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.packet_fit import Fitter
from lpcnet_cq.bitstream.protection import (
    MAX_COPY_SHARE,
    CopySelection,
    Protection,
    choose_protection,
    find_copy,
    make_copy,
)

losses = st.floats(0, 1)


@given(losses, losses, st.floats(5000, 60000))
def test_more_loss_means_no_less_protection(one, other, bitrate_bps):
    less, more = (choose_protection(loss, bitrate_bps) for loss in sorted((one, other)))
    assert more.reset_interval <= less.reset_interval and more.copies >= less.copies
    assert not more.copies or more.reset_interval == 1, "after a loss, copies must be found"
    assert 0 < more.packet_bps(bitrate_bps) <= bitrate_bps


def test_copies_are_sent_where_there_are_bits_for_them():
    chosen = {(rate, loss): choose_protection(loss, rate).copies for rate in (9e3, 16e3, 24e3) for loss in (0.02, 0.05)}
    assert {key for key, copies in chosen.items() if copies} == {(16e3, 0.02), (16e3, 0.05), (24e3, 0.02), (24e3, 0.05)}
    assert choose_protection(0.05, 16e3).copies < choose_protection(0.05, 24e3).copies == 1


def test_without_losses_there_is_one_reset_in_half_a_second():
    assert choose_protection(0.0, 24000.0) == Protection(25)


@pytest.fixture(scope="module")
def fitter(speech_codec):
    parts, random = speech_codec._parts, np.random.default_rng(0)
    model = parts.entropy
    side, z = random.integers(-2, 3, (1, model.K)), random.standard_normal((1, model.S, model.D)).astype(np.float32)
    return Fitter(model, None, side, z, parts.packer.sizes, parts.packer.steps_for(1))


@pytest.mark.parametrize("padding", [0, 5])
def test_a_copy_is_found_behind_its_packet_and_is_a_packet(speech_codec, fitter, padding):
    main = b"".join(fitter.at(3).packet)
    copy = make_copy(fitter, 3, 400)
    assert len(copy) < len(main)
    data = main + copy + bytes(padding)
    found = find_copy(fitter.model, data[len(main) :])
    _, n, ends = speech_codec._parts.reader.read(None, found, 0, 1, 1)
    assert ends[-1, -1] == len(copy)
    np.testing.assert_array_equal(n.side, fitter.side)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_the_largest_packets_are_copied_and_their_share_is_as_asked(share):
    sizes = np.random.default_rng(1).gamma(9.0, 4.0, 3000).round().astype(int)
    selection, copied = CopySelection(36.0), []
    for n_bytes in sizes:
        selection, selected = selection.select(int(n_bytes), Protection(1, share), 36.0)
        copied.append(selected)
    copied = np.array(copied)[300:]
    assert copied.mean() == pytest.approx(share, abs=0.02)
    assert sizes[300:][copied].min(initial=99) > sizes[300:][~copied].max(initial=0) - 12


def test_all_copies_are_counted():
    """Those of the first second as well: what was counted differs from what was sent by less than two copies."""
    selection, counted = CopySelection(60.0).expect(Protection(1, 1.0), 60.0), 0.0
    for _ in range(500):
        selection = selection.spend(24)
        counted += selection.mean_bytes
    assert abs(counted - 500 * 24) < 2 * 24


def test_the_mean_size_of_copies_is_tracked():
    selection = CopySelection(36.0)
    for i in range(600):
        selection = selection.spend(20 * (i % 4 == 0))
    assert selection.mean_bytes == pytest.approx(5.0, abs=0.7)


@pytest.mark.parametrize(("packet_bytes", "least"), [(30, 0), (110, 30), (200, 60)])
def test_copies_keep_to_their_share(fitter, packet_bytes, least):
    assert least <= len(make_copy(fitter, 0, packet_bytes)) <= MAX_COPY_SHARE * packet_bytes


def test_padding_and_layers_are_no_copies(fitter):
    for rest in (b"", bytes(9), b"\x01\x02"):
        assert find_copy(fitter.model, rest) is None

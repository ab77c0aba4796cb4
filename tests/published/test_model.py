"""The whole chain: exact without quantisers, the same whole and in pieces, each module on what is left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.signal import lfilter

from lpcnet_cq.published import model as blocks
from lpcnet_cq.published.front import analyse_lsf
from lpcnet_cq.published.model import Model, analyse, cascade, filters_of, start_decoder, start_encoder, synthesise
from lpcnet_cq.published.quantiser import Relaxation

T = 6
SOFT = Relaxation(jnp.float32(1), jnp.float32(1), jnp.float32(0))


def jitted(f, model, *args):
    """Call f(model, *args) compiled as one program."""
    graph, params = nnx.split(model, nnx.Param)
    return CACHE.setdefault((f, graph), jax.jit(lambda p, *a: f(nnx.merge(graph, p), *a)))(params, *args)


CACHE: dict = {}


def decoded(model, frames):
    return cascade(model, frames, model.config.n_modules)


@pytest.fixture(scope="module")
def system(tiny):
    return tiny(n_modules=2, lpc="trained", level=1.0)


@pytest.fixture(scope="module")
def model(system, awake):
    return awake(Model(system, rngs=nnx.Rngs(0)))


@pytest.fixture(scope="module")
def speech(system, vowel):
    x = np.stack([vowel(f0_hz)[: T * system.spec.hop] for f0_hz in (130, 200)])
    return x, np.stack([analyse_lsf(row, system) for row in x])


@pytest.mark.parametrize("window_at", ["analysis", "synthesis"])
@pytest.mark.parametrize("lpc", ["none", "fixed"])
def test_unquantised_frames_are_the_speech_one_overlap_late(tiny, speech, window_at, lpc):
    c = tiny(lpc=lpc, window_at=window_at)
    x, lsf = speech
    a = filters_of(c, lsf) if c.n_lsf else None
    _, frames = analyse(c, start_encoder(c, 2), x, a)
    _, y = synthesise(c, start_decoder(c, 2), frames, a)
    V = c.spec.look_ahead
    np.testing.assert_allclose(y[:, V:], x[:, :-V], atol=2e-4)
    np.testing.assert_allclose(y[:, :V], 0, atol=1e-6)


def test_residual_is_scipys_where_the_filter_stays(system, speech):
    x, lsf = speech
    same = np.repeat(lsf[:, :1], T, axis=1)
    a = np.asarray(filters_of(system, same), np.float64)
    _, frames = analyse(system, start_encoder(system, 2), x, jnp.float32(a))
    e = lfilter(a[0, 0], [1], x[0])
    V, W, hop = system.spec.look_ahead, system.spec.window, system.spec.hop
    np.testing.assert_allclose(frames[0, 2], e[2 * hop - V : 2 * hop - V + W], atol=1e-4)


def test_filters_hold_the_pre_emphasis(system, speech):
    a = np.asarray(filters_of(system, speech[1]))
    assert a.shape == (2, T, 6)
    np.testing.assert_allclose(np.polyval(a[0, 0], 0.68), 0, atol=1e-4)  # the zero at 0.68


def test_unordered_lsfs_make_stable_filters(system):
    a = np.asarray(filters_of(system, jnp.array([[[2.0, 0.5, 0.5, 3.5]]])))[0, 0]
    assert np.abs(np.roots(a)).max() < 1


def test_each_module_codes_what_is_left(model, speech):
    frames = np.random.default_rng(0).standard_normal((2, T, 128)).astype(np.float32)
    total, coded = jitted(decoded, model, frames)
    outputs, rest = [], frames
    for module, code in zip(model.modules, coded, strict=True):
        np.testing.assert_allclose(code.z, module.encode(rest), atol=1e-4)
        b = np.asarray(module.quantiser.centroids[...])
        z = np.asarray(module.encode(rest))
        outputs.append(module.decode(b[np.abs(z[..., None] - b).argmin(axis=-1)]))
        rest = rest - outputs[-1]
    np.testing.assert_allclose(total, outputs[0] + outputs[1], atol=1e-4)


def test_hard_modules_pass_no_gradient(model):
    frames = np.random.default_rng(0).standard_normal((1, 2, 128)).astype(np.float32)
    graph, params = nnx.split(model, nnx.Param)

    def energy(params, trained):
        return jnp.mean(cascade(nnx.merge(graph, params), frames, 2, trained, SOFT)[0] ** 2)

    gradient = jax.jit(jax.grad(energy), static_argnums=1)(params, (1,))
    sizes = [float(sum(jnp.abs(v).sum() for v in jax.tree.leaves(gradient["modules"][i]))) for i in (0, 1)]
    assert sizes[0] == 0 and sizes[1] > 0


@pytest.mark.parametrize("changes", [{}, {"lpc": "trained"}, {"lpc": "trained", "zero_state": True}])
def test_pieces_are_the_whole(tiny, speech, awake, changes):
    c = tiny(n_modules=2, **changes)
    model, (x, lsf) = awake(Model(c, rngs=nnx.Rngs(1))), speech
    lsf = lsf if c.n_lsf else None
    _, s = jitted(blocks.encode, model, start_encoder(c, 2), x, lsf)
    assert s.shape == (2, T, c.n_lsf + 2 * c.n_code) and s.dtype == jnp.int32
    _, y = jitted(blocks.decode, model, start_decoder(c, 2), s)
    coder, decoder, parts, ys = start_encoder(c, 2), start_decoder(c, 2), [], []
    for piece in (slice(0, 2), slice(2, 4), slice(4, 6)):
        samples = x[:, piece.start * c.spec.hop : piece.stop * c.spec.hop]
        coder, part = jitted(blocks.encode, model, coder, samples, None if lsf is None else lsf[:, piece])
        decoder, out = jitted(blocks.decode, model, decoder, s[:, piece])
        parts.append(part)
        ys.append(out)
    np.testing.assert_array_equal(jnp.concatenate(parts, axis=1), s)
    np.testing.assert_allclose(jnp.concatenate(ys, axis=1), y, rtol=1e-4, atol=1e-4)


def test_decoder_and_encoder_agree_on_the_frames(model, system, speech):
    """What `decode` makes of the symbols is what the cascade decoded to choose them."""
    x, lsf = speech
    _, s = jitted(blocks.encode, model, start_encoder(system, 2), x, lsf)
    a = filters_of(system, model.lsf.values(s[..., : system.n_lsf]))
    _, frames = analyse(system, start_encoder(system, 2), x, a)
    _, expected = synthesise(system, start_decoder(system, 2), jitted(decoded, model, frames)[0], a)
    found = jitted(blocks.decode, model, start_decoder(system, 2), s)[1]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_soft_recoding_of_sharp_assignments_is_decoding(tiny, speech, awake):
    c = tiny(n_modules=1, lpc="trained", temperature=1e6)
    model, (x, lsf) = awake(Model(c, rngs=nnx.Rngs(2))), speech
    _, s = jitted(blocks.encode, model, start_encoder(c, 2), x, lsf)
    hard = jitted(blocks.decode, model, start_decoder(c, 2), s)[1]
    soft = jitted(blocks.recode_soft, model, (start_encoder(c, 2), start_decoder(c, 2)), x, lsf)[1]
    assert 10 * np.log10(np.sum(hard**2) / np.sum((soft - hard) ** 2)) > 25  # a code on the brink may fall either way

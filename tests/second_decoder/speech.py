"""The sections "Packets of speech" and "Enhancement layers"."""

from .notation import act, clip, plus, scaled, times
from .packets import Decoder
from .range_decoder import RangeDecoder


class SpeechDecoder(Decoder):
    """Follow the sections "Packets of speech" and "Enhancement layers"."""

    def __init__(self, config, tensors, range_decoder=RangeDecoder):
        super().__init__(config, tensors, range_decoder)
        self.D, self.W = len(tensors["latent_tri_mean"]), len(tensors["latent_w2"])
        self.S = len(tensors["latent_bp"]) // self.W

    def reset(self):
        super().reset()
        self.y, self.fine = [[0] * self.D] * 3, [[0] * self.D] * 3  # oldest first

    def latents(self, coder, q, v):
        self.y, latents = self.subframes(coder, q, v, self.y)
        return latents

    def enhancement(self, coder, q, v, coarse):
        self.fine, latents = self.subframes(coder, q, v, self.fine, coarse)
        return latents

    def subframes(self, coder, q, v, y, coarse=None):
        """Return the last three subframes and all of the packet."""
        w, W, D, latents = self.w, self.W, self.D, []
        u = scaled(256, clip(v + self.v1, 31))
        g = plus(times(act(plus(times(u, w["latent_ws"]), w["latent_bs"][q])), w["latent_wp"]), w["latent_bp"])
        for i in range(self.S):
            past = scaled(256, clip(y[0] + y[1] + y[2], 7))
            h = act(plus(g[i * W : i * W + W], times(past, w["latent_wy"])))
            h = act(plus(times(h, w["latent_w2"]), w["latent_b2"]))
            out = plus(times(h, w["latent_w3"]), w["latent_b3"])
            latents.append(self.vector(coder, "latent", 7, out[:D], out[D:], coarse and coarse[i]))
            y = [*y[1:], latents[-1]]
        return y, latents

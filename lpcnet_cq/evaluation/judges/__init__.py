"""Judges: slow metrics from other packages, which only the benchmark computes.

Place in the chain: none. Each kind of judge has a module, which imports its package where it is used; the extras
`judges` and `judges-torch` install the packages. No judge is part of a loss, so that training cannot please it.
"""

from lpcnet_cq.evaluation.judges import hearing, naturalness, speaker, warping, words
from lpcnet_cq.evaluation.metrics import Metric

JUDGED_S = naturalness.SEGMENT_S  # duration of the excerpt that judges score: DistillMOS reads a longer one in parts

JUDGES: dict[str, Metric] = {
    "distillmos": Metric("DistillMOS", naturalness.distillmos, ("distillmos", "torch")),
    "warpq": Metric("WARP-Q", warping.warp_q, ("warpq", "webrtcvad")),
    "haspi": Metric("HASPI", hearing.haspi, ("clarity",), 3),
    "hasqi": Metric("HASQI", hearing.hasqi, ("clarity",), 3),
    "speaker": Metric("speaker similarity", speaker.similarity, ("resemblyzer", "torch", "webrtcvad"), 3),
    "words_changed": Metric("words changed", words.changed, ("pocketsphinx", "rapidfuzz")),
}

"""Record of the codec for speech: one object that contains all its parts."""

from lpcnet_cq.contract import JAX_READER, NUMPY_READER, Backend, CodecRecord
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.freeze import freeze, thaw
from lpcnet_cq.speech.highpass import CUTOFF_HZ
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.speech.tensor_shapes import tensor_shapes

SPEECH = CodecRecord(
    kind=SpeechConfig.kind,
    config=SpeechConfig,
    backends={
        "numpy": Backend("lpcnet_cq.light.speech.signal_model:LightSpeechModel", NUMPY_READER),
        "jax": Backend("lpcnet_cq.speech.runtime:SpeechSignalModel", JAX_READER),
    },
    entropy_model=SubframeModel,
    freeze=lambda floats, config: freeze(floats["entropy"], config),
    thaw=thaw,
    default_bitrate_bps=9000,
    training_bps=(9000, 24000),
    max_layers=2,
    highpass_hz=CUTOFF_HZ,
    weights="cq3",
    tensor_shapes=tensor_shapes,
    metrics=(
        *("pesq", "estoi", "visqol", "si_sdr_db", "snr_db"),
        *("pause_lines_db", "level_100_hz_db", "level_1000_hz_db", "level_2000_hz_db", "level_4000_hz_db"),
        "modulation_db",
    ),
    task_name="lpcnet_cq.training.speech_task:SPEECH",
    complexity_name="lpcnet_cq.evaluation.complexity:speech_macs_per_second",
)

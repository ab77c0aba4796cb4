"""Record of the codec for music: one object that contains all its parts."""

from lpcnet_cq.contract import JAX_READER, NUMPY_READER, Backend, CodecRecord
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.freeze import freeze, thaw
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.tensor_shapes import tensor_shapes

MUSIC = CodecRecord(
    kind=MusicConfig.kind,
    config=MusicConfig,
    backends={
        "numpy": Backend(
            "lpcnet_cq.light.music.signal_model:LightMusicModel",
            NUMPY_READER,
            "lpcnet_cq.light.music.line_model:LightLineModel",
        ),
        "jax": Backend(
            "lpcnet_cq.music.runtime:MusicSignalModel", JAX_READER, "lpcnet_cq.music.compiled_model:CompiledLineModel"
        ),
    },
    entropy_model=LineModel,
    freeze=freeze,
    thaw=thaw,
    default_bitrate_bps=96000,
    training_bps=(64000, 128000),
    max_layers=1,
    weights="audio",
    tensor_shapes=tensor_shapes,
    metrics=(
        *("visqol_audio", "nmr_db", "snr_db", "block_lines_db"),
        *("level_100_hz_db", "level_1000_hz_db", "level_2000_hz_db", "level_4000_hz_db", "level_7000_hz_db"),
        "modulation_db",
    ),
    task_name="lpcnet_cq.training.music_task:MUSIC",
    complexity_name="lpcnet_cq.evaluation.complexity:music_macs_per_second",
)

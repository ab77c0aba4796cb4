"""What holds for every test: JAX is strict and stays on the CPU, hypothesis is repeatable.

The settings are environment variables, read by JAX when it is first imported: tests of `dsp` alone need no
JAX and pay nothing, and command lines started by a test are as strict as the test itself. Ranks may be promoted:
layers add biases (C,) to signals (B, T, C) everywhere, by NumPy's rule.
"""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("MPLBACKEND", "agg")
# Compiled code is kept between runs, away from what the user's own programs have compiled.
_cache = Path(tempfile.gettempdir()) / f"lpcnet_cq-tests-{os.getuid() if hasattr(os, 'getuid') else 0}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache / "jax"))
os.environ.setdefault("LPCNET_CQ_CACHE", str(_cache / "data"))

from hypothesis import HealthCheck, settings  # noqa: E402  (after the environment, which plugins may read)

# Derandomised: a failure seen once is seen again. Deadlines would assert speed.
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

"""Where work runs."""

from lpcnet_cq.work.engine import Here
from lpcnet_cq.work.processes import Processes
from lpcnet_cq.work.where import HERE, Where


def test_one_job_needs_no_other_process():
    assert isinstance(HERE.engine(str), Here) and isinstance(Where(1).engine(str), Here)
    engine = Where(3).engine(str)
    assert isinstance(engine, Processes) and engine.slots == 3

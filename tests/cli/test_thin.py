"""`lpcnet-cq thin` around a stand-in codec."""

from pathlib import Path

import pytest

from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_thin_keeps_the_layers_asked_for(wav, error):
    main(["encode", wav, "a.cq"])
    assert main(["thin", "a.cq", "b.cq", "--layers", "2"]) == 0
    assert Path("b.cq").read_bytes() == Path("a.cq").read_bytes()[:-1] + b"\x02"
    assert main(["thin", "a.cq", "b.cq"]) == 2
    assert "exists" in error()


@pytest.mark.parametrize(("layers", "most"), [(1, "one layer"), (2, "at most 2 layers")])
def test_a_stream_without_more_layers_is_copied_with_a_note(wav, codec, capsys, monkeypatch, layers, most):
    main(["encode", wav, "a.cq"])
    monkeypatch.setattr(codec, "thin", lambda data, layers: data)
    assert main(["thin", "a.cq", "b.cq", "--layers", str(layers)]) == 0
    assert Path("b.cq").read_bytes() == Path("a.cq").read_bytes()
    assert capsys.readouterr().err == f"lpcnet-cq: the packets have {most}, there is nothing to drop\n"

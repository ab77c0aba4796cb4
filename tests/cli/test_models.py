"""Which weights the commands use: those asked for by name, or those that made the stream."""

import pytest

import lpcnet_cq
from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_models_are_asked_for_by_name(wav, codec):
    main(["encode", wav, "a.cq", "--model", "mine"])
    main(["decode", "a.cq", "b.wav", "--model", "yours"])
    main(["info", "a.cq", "--model", "theirs"])
    assert codec.asked == ["mine", "yours", "theirs"]


def test_streams_choose_among_the_installed_models(wav, codec):
    main(["encode", wav, "a.cq"])
    main(["decode", "a.cq", "b.wav"])
    main(["info", "a.cq"])
    assert codec.asked == [None, "the weights that made it"], "which are loaded once"


def test_the_backend_is_passed_on(wav, codec, monkeypatch):
    asked = []
    monkeypatch.setattr(lpcnet_cq, "load", lambda name=None, backend=None: asked.append(backend) or codec)
    assert main(["encode", wav, "a.cq", "--backend", "jax"]) == 0
    assert main(["decode", "a.cq", "b.wav", "--backend", "numpy"]) == 0
    assert main(["info", "a.cq"]) == 0
    assert asked == ["jax", "numpy", None]
    with pytest.raises(SystemExit, match="2"):
        main(["info", "a.cq", "--backend", "torch"])

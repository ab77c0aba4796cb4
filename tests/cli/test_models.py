"""Which weights the commands use: those asked for by name, or those that made the stream."""

import pytest

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

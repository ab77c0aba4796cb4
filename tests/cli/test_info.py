"""`lpcnet-cq info` around a stand-in codec."""

import json

import pytest

from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_info_in_words_and_as_json(wav, capsys):
    main(["encode", wav, "a.cq"])
    assert main(["info", "a.cq"]) == 0
    words = capsys.readouterr().out.splitlines()
    assert words[0].split() == ["duration", "0.50", "s"] and words[1].split() == ["bitrate", "9012", "bit/s"]
    assert words[4].split() == ["latents", "900", "75.0", "%"]
    assert main(["info", "a.cq", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits"] == {"lsf": 300, "latents": 900}

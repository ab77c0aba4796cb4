"""Headers of RTP: what is no packet, and what is said where aiortc is missing."""

import subprocess
import sys

import pytest

from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rtp import header


def in_fresh_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_without_aiortc_one_sentence_says_what_to_install():
    done = in_fresh_python(
        "import sys; sys.modules['aiortc'] = None\nfrom lpcnet_cq.rtp.sender import Sender; Sender(320)"
    )
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said == "ModuleNotFoundError: RTP needs the package `aiortc.rtp`; pip install 'lpcnet-cq[rtp]' brings it"


def test_aiortc_is_imported_with_its_first_use():
    done = in_fresh_python("import lpcnet_cq.rtp.sender, lpcnet_cq.rtp.receiver, sys; print('aiortc' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("data", [b"", b"\x80" * 11, b"\x40" + bytes(11), b"\x81" + bytes(11), b"\xb0" + bytes(20)])
def test_what_is_no_packet_is_refused(data):
    pytest.importorskip("aiortc", reason="the extra `rtp` installs it")
    with pytest.raises(BitstreamError, match="a datagram is no RTP packet"):
        header.parse(data)

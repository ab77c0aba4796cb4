"""Packets of the codec over the Real-time Transport Protocol (RTP): payload format, sender, jitter buffer, receiver.

`docs/rtp.md` specifies the payload format. `sender` and `receiver` need the package aiortc for the headers of RTP:
`pip install 'lpcnet-cq[rtp]'`.
"""

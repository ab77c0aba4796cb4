"""The codec for music at 44.1 kHz: a switched MDCT, step sizes per band, a network that improves the decoded lines."""

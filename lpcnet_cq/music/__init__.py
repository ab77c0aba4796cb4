"""The codec for music at 44.1 kHz: a long lapped transform, steps that follow the bands, a network over lines."""

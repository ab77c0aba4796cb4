"""The codec for speech: linear prediction, residual coder, entropy model."""

"""Implementations of the published systems on which this codec is based: K-Net, CMRL, LPC-CMRL, CQ and NWC.

`config.PRESETS` lists them, `train.train` trains one, `codec.PublishedCodec` codes speech to bytes with its weights.
"""

"""The published systems that the project stands on, rebuilt: K-Net, CMRL, LPC-CMRL, CQ and NWC.

`config.PRESETS` names them, `train.train` trains one, `codec.PublishedCodec` codes to bytes with what was trained.
"""

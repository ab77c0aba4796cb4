"""Weights files of earlier releases, in the terms of this one.

Place in the chain: where a weights file is read, once; nothing else knows the older names.
"""

import numpy as np

TENSORS = {"comb/": "postfilter/"}  # beginnings of names
NOTES = {"reach_bps": "supported_bps", "usual_bps": "mean_rates_bps"}


def current_tensors(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors under their present names.

    Examples
    --------
    >>> list(current_tensors({"comb/gains/bias": np.zeros(1), "decoder/up/kernel": np.zeros(1)}))
    ['postfilter/gains/bias', 'decoder/up/kernel']
    """
    old = tuple(TENSORS)
    renamed = {}
    for name, tensor in tensors.items():
        prefix = next((p for p in old if name.startswith(p)), "")
        renamed[TENSORS.get(prefix, "") + name.removeprefix(prefix)] = tensor
    return renamed


def current_notes(notes: dict) -> dict:
    """Return notes under their present names.

    Examples
    --------
    >>> current_notes({"reach_bps": [7800, 25900], "step": 2000})
    {'supported_bps': [7800, 25900], 'step': 2000}
    """
    return {NOTES.get(name, name): value for name, value in notes.items()}


def kind_of(values: dict) -> str:
    """Return the kind of codec that the metadata of a weights file names; earlier files do not, only music had bands.

    Examples
    --------
    >>> kind_of({"kind": "speech", "config": {}}), kind_of({"config": {"bands": 32}}), kind_of({"config": {}})
    ('speech', 'music', 'speech')
    """
    return values.get("kind") or ("music" if "bands" in values["config"] else "speech")

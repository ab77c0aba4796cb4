"""Conversion of names in weights files of earlier releases to the present names.

Place in the chain: when a weights file is read. No other module uses the older names.
"""

import numpy as np

TENSORS = {  # prefixes of names
    "comb/": "postfilter/",
    "allocation/skip": "allocation/energy_weights",
    "allocation/mean": "allocation/bias",
}
CONFIG = {"splits": "short_blocks"}
NOTES = {"reach_bps": "supported_bps", "usual_bps": "mean_rates_bps"}


def current_tensors(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors with their present names.

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


def current_config(values: dict) -> dict:
    """Return the fields of a configuration with their present names.

    Examples
    --------
    >>> current_config({"bands": 32, "splits": 8})
    {'bands': 32, 'short_blocks': 8}
    """
    return {CONFIG.get(name, name): value for name, value in values.items()}


def current_notes(notes: dict) -> dict:
    """Return notes with their present names.

    Examples
    --------
    >>> current_notes({"reach_bps": [7800, 25900], "step": 2000})
    {'supported_bps': [7800, 25900], 'step': 2000}
    """
    return {NOTES.get(name, name): value for name, value in notes.items()}


def kind_of(values: dict) -> str:
    """Return the kind of codec from the metadata of a weights file.

    Files of earlier releases do not contain the kind; among these, only music has `bands` in its configuration.

    Examples
    --------
    >>> kind_of({"kind": "speech", "config": {}}), kind_of({"config": {"bands": 32}}), kind_of({"config": {}})
    ('speech', 'music', 'speech')
    """
    return values.get("kind") or ("music" if "bands" in values["config"] else "speech")

"""How good an image, a dose or a code is: image quality, observers, readers, comparisons with published data.

Names load on first use: ``from physsim import evaluate``, then ``evaluate.auc(present, absent)``.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Transfer": "resolution", "mtf_from_edge": "resolution", "mtf_from_wire": "resolution",
    "NoisePower": "noise_power", "noise_power_spectrum": "noise_power", "detective_quantum_efficiency": "noise_power",
    "HuRow": "hounsfield", "Uniformity": "hounsfield", "Contrast": "hounsfield", "disc": "hounsfield",
    "hu_accuracy": "hounsfield", "uniformity": "hounsfield", "contrast_to_noise": "hounsfield",
    "Similarity": "similarity", "psnr": "similarity", "ssim": "similarity",
    "laguerre_gauss_channels": "channels", "gabor_channels": "channels",
    "NonPrewhitening": "observers", "EyeFilteredNonPrewhitening": "observers", "ChannelisedHotelling": "observers",
    "Observation": "observers", "observe": "observers", "prewhitened_template": "observers",
    "template_detectability": "observers",
    "Auc": "roc", "AucDifference": "roc", "auc": "roc", "auc_difference": "roc", "roc_curve": "roc",
    "Mrmc": "mrmc", "mrmc_auc": "mrmc", "mrmc_difference": "mrmc",
    **dict.fromkeys(("plot_transfer", "plot_noise_power", "plot_efficiency", "plot_hounsfield", "plot_uniformity",
                     "plot_contrast", "plot_similarity", "plot_roc", "plot_observation", "plot_channels", "plot_mrmc"),
                    "plots"),
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
        globals()[name] = value
        return value
    from physsim.errors import did_you_mean

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}. {did_you_mean(name, _PUBLIC)}")


def __dir__() -> list[str]:
    return sorted(__all__)

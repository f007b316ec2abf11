"""Scatter networks that were never trained, and calibrations that say how much they err."""

import json

import numpy as np

from physsim.imaging.scatter_maps import CHANNELS, CONDITIONS
from physsim.surrogate.batches import Batches
from physsim.surrogate.calibration import HeldOut, calibrate
from physsim.surrogate.ensemble import save_ensemble


def calibration(network, per_cent, seed=1):
    """Of a network that errs by so much on 400 held-out patients of any size; batches as Monte Carlo's here."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(400):
        truth = np.full((4, 4), 1.0)
        prior = truth * (1.0 + 0.01 * per_cent * rng.normal(size=(4, 4)))
        images = 1.0 + rng.normal(0.0, 1.0, (16, 1, 1)) + rng.normal(0.0, 0.5, (16, 4, 4))
        looks = tuple(Batches(images=1.0 + (images - 1.0) * 9.0 / np.sqrt(units), units=units)
                      for units in (256.0, 512.0, 1024.0, 2048.0))
        made.append(HeldOut(size_mm=rng.uniform(1.0, 600.0), kvp=rng.uniform(60.0, 140.0), prior=prior, truth=truth,
                            looks=looks))
    return calibrate(made, network=network, held_out="0" * 64, size_edges_mm=[0.0, 1000.0], kvp_edges=[50.0, 150.0])


def plain_weights(path, spec, share=0.7):
    """Weights of networks whose scatter is `share` of the mean of all guesses."""
    import torch

    from physsim.surrogate.network import ScatterNet

    nets = []
    for number in range(spec.members):
        torch.manual_seed(number)
        net = ScatterNet(len(CHANNELS), len(CONDITIONS), spec.width)
        torch.nn.init.zeros_(net.leave.weight)
        torch.nn.init.constant_(net.leave.bias, float(np.log(share / len(net.guessed))) + 0.02 * number)
        nets.append(net)
    save_ensemble(path, nets, {"spec": json.loads(spec.to_json()),
                               "inputs": {"channels": CHANNELS, "conditions": CONDITIONS}})
    return path

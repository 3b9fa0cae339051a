"""Strict mode against numbers of the original pipelines, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lamella.coadd.stack.stack import statistics_stack
from lamella.coadd.stack.stack_control import StackControl

SUBSET = Path(__file__).parents[2] / "data" / "stack_real_n3.npz"
NAMES = {
    "sigmaClip": "sigma_clip",
    "numIter": "clip_iter",
    "andMask": "bad_mask",
    "nanSafe": "nan_safe",
    "calcErr": "error_from_input_variance",
    "mosaic": "mosaic_error",
    "noGood": "no_good_mask",
    "clipped": "clipped_mask",
    "maskMap": "mask_map",
    "excuse": "excuse",
    "thresholds": "propagation_thresholds",
    "weighted": "weighted",
}
DEFAULTS = {"numIter": 3, "noGood": 256}


def assert_same_bits(inputs, outputs, entry, threads=1):
    weights = inputs["weights"] if entry["w"] == "vec" else None
    options = DEFAULTS | entry["kw"]
    values = {NAMES[name]: value for name, value in options.items()}
    result = statistics_stack(
        inputs["image"],
        inputs["mask"],
        inputs["variance"],
        weights,
        control=StackControl(statistic=entry["stat"], **values),
        strict=True,
        threads=threads,
    )
    name = entry["name"]
    np.testing.assert_array_equal(result.image, outputs[f"{name}_i"])
    np.testing.assert_array_equal(result.mask, outputs[f"{name}_m"])
    np.testing.assert_array_equal(result.variance, outputs[f"{name}_v"])


def test_a_subset_of_the_cases():
    with np.load(SUBSET) as file:
        data = dict(file)
    inputs = {name: data[f"in_{name}"] for name in ("image", "mask", "variance", "weights")}
    controls = json.loads(str(data["controls"]))
    assert len(controls) == 30
    for entry in controls:
        assert_same_bits(inputs, data, entry)


def _cases(shared):
    index = json.loads((shared / "oracle" / "stack" / "index.json").read_text())
    unreliable = {(case["inputs"], case["control"]) for case in index["unreliable"]}
    controls = {entry["name"]: entry for entry in index["controls"]}
    for case in index["cases"]:
        if (case["inputs"], case["control"]) not in unreliable:
            yield case["inputs"], controls[case["control"]]


@pytest.mark.parametrize("kind", ["clean", "real", "nasty"])
@pytest.mark.parametrize("n", [1, 3, 5, 10])
def test_all_cases(shared, kind, n):
    folder = shared / "oracle" / "stack"
    with np.load(folder / f"inputs_{kind}_N{n}.npz") as file:
        inputs = dict(file)
    with np.load(folder / f"outputs_{kind}_N{n}.npz") as file:
        outputs = dict(file)
    entries = [entry for name, entry in _cases(shared) if name == f"{kind}_N{n}"]
    assert len(entries) >= 29
    for entry in entries:
        assert_same_bits(inputs, outputs, entry, threads=2)

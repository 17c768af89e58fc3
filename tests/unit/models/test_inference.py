"""Inference of models with state, several inputs and foreign operators (tests/models/make_inference.py)."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytest.importorskip("tflite")
if not any(map(importlib.util.find_spec, ("tflite_runtime", "ai_edge_litert"))):
    pytest.skip("needs tflite-runtime or ai-edge-litert", allow_module_level=True)

from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.inference import infer
from tests.paths import MODELS

FOLDER = MODELS / "inference"


@pytest.mark.parametrize(("name", "shape"), [("lstm", (12, 8, 1)), ("counter", (12, 1))])
def test_results_do_not_depend_on_the_order_of_the_samples(name: str, shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(0).uniform(0.5, 1, shape)
    forth = infer(FOLDER / f"{name}.tflite", samples).outputs[0]
    back = infer(FOLDER / f"{name}.tflite", samples[::-1]).outputs[0]
    assert np.array_equal(forth, back[::-1])
    assert len(np.unique(forth)) > 5


def test_several_inputs_by_their_names() -> None:
    rng = np.random.default_rng(0)
    picture, offset = rng.random((5, 4)), rng.random((5, 1))
    run = infer(FOLDER / "two.tflite", {"offset": offset, "picture": picture})
    assert np.allclose(run.outputs[0], picture + offset, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"": (3, 4)}, ["2 inputs", "'picture' [1, 4]", "'offset' [1, 1]", "[data] inputs"]),
        ({"picture": (3, 4), "other": (3, 1)}, ["no array in [data] inputs for 'offset' [1, 1]"]),
        ({"picture": (3, 4), "offset": (3, 2)}, ["[1, 1]", "a sample [2]"]),
    ],
)
def test_inputs_that_do_not_fit_are_named(given: dict[str, tuple[int, ...]], names: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        infer(FOLDER / "two.tflite", {name: np.zeros(shape) for name, shape in given.items()})
    for text in names:
        assert text in str(caught.value)


def test_custom_operators_are_named() -> None:
    with pytest.raises(UsageError, match=r"custom operators Erfinv, .*built-in operators alone"):
        infer(FOLDER / "custom.tflite", np.zeros((2, 2)))

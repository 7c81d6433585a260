"""The annotated shapes are checked here in the tests, and hold in one call together."""

import jaxtyping
import pytest
import torch

from scaling.models.build import build
from scaling.models.layers import attend, normalise
from scaling.models.masked import MaskedPatchPrediction
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import ViT
from tests.helpers.kinds import known
from tests.helpers.specs import TINY

pytest.importorskip("beartype")


def test_images_of_four_channels_are_refused() -> None:
    model = build(TINY, 5, resolution=16)
    with pytest.raises(jaxtyping.TypeCheckError, match="B 3 H W"):
        model(torch.zeros(2, 4, 16, 16))


def test_bytes_are_no_images_of_a_model() -> None:
    model = build(TINY, 5, resolution=16)
    with pytest.raises(jaxtyping.TypeCheckError, match="Float"):
        model(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(jaxtyping.TypeCheckError, match="UInt8"):
        normalise(torch.zeros(2, 3, 16, 16))


def test_one_letter_is_one_size_in_all_arguments() -> None:
    q, k = torch.zeros(2, 3, 5, 4), torch.zeros(2, 3, 7, 4)
    assert attend(q, k, k).shape == (2, 3, 5, 4)
    with pytest.raises(jaxtyping.TypeCheckError, match="'v'"):
        attend(q, k, k[:, :, :-1])


def test_a_module_that_returns_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(TINY, 5, resolution=16)
    monkeypatch.setattr(model, "head", torch.nn.Flatten(0))
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        model(torch.zeros(2, 3, 16, 16))


def test_corruption_has_two_numbers_a_patch() -> None:
    encoder = known(VisionTransformer, build(ViT(4, 12, 1, 20, 3), 8, resolution=16))
    with pytest.raises(jaxtyping.TypeCheckError, match="'corruption'"):
        MaskedPatchPrediction(encoder)(torch.zeros(1, 3, 16, 16), torch.zeros(1, 2, 3, dtype=torch.int64))


def test_compiled_code_is_traced_without_the_checks() -> None:
    model = build(TINY, 5, resolution=16)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert compiled(torch.zeros(2, 3, 16, 16)).shape == (2, 5)

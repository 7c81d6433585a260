"""Models of a user's: made, tried, counted; their classifiers and features."""

import re
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scaling.flops.counts import forward_macs, parameters
from scaling.models.build import build, outline
from scaling.models.custom.count import count_model, fingerprint
from scaling.models.custom.module import CustomModel
from scaling.models.pretrained import load_pretrained
from scaling.specs import ZOO
from scaling.specs.models import Custom
from tests.helpers import models

HERE = "tests.helpers.models"
GOOD = {
    "convnet": Custom(models.convnet, {"width": 4}),
    "convolution": Custom(f"{HERE}:convnet", {"last": False}),
    "mlp": Custom(models.BiasedMLP),
    "timm's interface": Custom(f"{HERE}:LikeTimm"),
    "read": Custom(f"{HERE}:Reading"),
}


def made(model: Custom, num_classes: int = 5, resolution: int = 16) -> CustomModel:
    torch.manual_seed(0)
    module = build(model, num_classes, resolution=resolution).eval()
    assert isinstance(module, CustomModel)
    return module


@pytest.mark.parametrize("name", GOOD)
def test_the_classifier_reads_the_features(name: str) -> None:
    module, x = made(GOOD[name]), torch.randn(3, 3, 16, 16)
    features, logits = module.features(x), module(x)
    assert features.ndim == 2
    assert logits.shape == (3, 5)
    weight, bias = (dict(module.named_parameters())[name] for name in sorted(module.classifier, reverse=True))
    x = x.flatten(1) * 1.0 if name == "read" else features
    torch.testing.assert_close(x @ weight.flatten(1).T + bias, logits)


@pytest.mark.parametrize("name", GOOD)
def test_counts_are_those_of_torch_on_the_real_module(name: str) -> None:
    module = made(GOOD[name])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.randn(1, 3, 16, 16))
    count, unknown = count_model(GOOD[name], 5, 16)
    assert unknown == []
    assert 2 * count.macs == counter.get_total_flops()
    assert count.parameters == sum(p.numel() for p in module.parameters())
    head = dict(module.named_parameters())
    assert count.classifier == sum(head[name].numel() for name in module.classifier)


@pytest.mark.parametrize(("name", "resolution"), [("R-micro-S", 16), ("R-micro-S", 24), ("ViT-micro-S/4", 16)])
def test_counts_are_those_of_the_closed_forms(name: str, resolution: int) -> None:
    """In both conventions: with the taps of convolutions that fall into the padding, and without."""
    count, _ = count_model(Custom(models.ours, {"name": name}), 7, resolution)
    assert count.macs == forward_macs(ZOO[name], resolution, 7)
    assert count.macs_valid == forward_macs(ZOO[name], resolution, 7, valid=True)
    assert count.parameters == parameters(ZOO[name], num_classes=7, resolution=resolution)
    assert count.parameters - count.classifier == parameters(ZOO[name], resolution=resolution)


def test_what_the_counter_does_not_know_is_named() -> None:
    count, unknown = count_model(Custom(models.Spectral), 5, 8)
    assert count.macs == 5 * 3 * 8 * 8
    assert unknown == ["aten._fft_r2c"] or unknown == ["aten._fft_c2c"]


def test_an_outline_draws_nothing() -> None:
    torch.manual_seed(3)
    first = build(Custom(models.Reading), 2, resolution=8).state_dict()
    torch.manual_seed(3)
    fingerprint(Custom(models.Reading), 2, 8)
    second = build(Custom(models.Reading), 2, resolution=8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_fingerprints_are_of_names_and_shapes() -> None:
    wide, narrow = (Custom(models.convnet, {"width": width}) for width in (8, 4))
    assert fingerprint(wide, 5, 16) == fingerprint(wide, 9, 32) != fingerprint(narrow, 5, 16)
    assert fingerprint(Custom(models.BiasedMLP), 5, 16) != fingerprint(Custom(models.BiasedMLP), 5, 32)


def test_weights_go_under_another_classifier_with_their_statistics() -> None:
    before, after = made(GOOD["convnet"], 5), made(GOOD["convnet"], 3)
    before.train()(torch.randn(8, 3, 16, 16) + 2)
    fresh = after.state_dict()["model.8.weight"].clone()
    load_pretrained(after, before.eval().state_dict())
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(after.features(x), before.features(x))
    assert after.state_dict()["model.1.running_mean"].abs().max() > 0
    assert torch.equal(after.state_dict()["model.8.weight"], fresh)


def test_weights_of_another_resolution_are_refused_where_shapes_follow_it() -> None:
    small, large = made(GOOD["mlp"]), outline(GOOD["mlp"], 5, resolution=32)
    with pytest.raises(ValueError, match=r"do not fit the model: wrong shape: model\.bias \[31\] instead of \[127\]"):
        load_pretrained(large, small.state_dict())


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        (f"{HERE}:nothing", {}, "cannot be imported: AttributeError: module 'tests.helpers.models' has no attribute"),
        ("no_such_module:x", {}, "No module named 'no_such_module': its folder must be on PYTHONPATH"),
        (f"{HERE}:HERE.x", {}, "cannot be imported"),
        (f"{HERE}:without_resolution", {}, "cannot be made: TypeError: without_resolution"),
        (f"{HERE}:convnet", {"depth": 3}, "cannot be made: TypeError: convnet() got an unexpected keyword argument"),
        (f"{HERE}:no_module", {}, "must return a torch module, it returns str"),
        (f"{HERE}:Several", {}, "must return logits alone, it returns tuple"),
        (f"{HERE}:Dense", {"outputs": 4}, "must have one layer whose shape follows num_classes"),
        (f"{HERE}:TwoHeads", {}, "its classifier; it has layer, other"),
        (f"{HERE}:Idle", {}, "has 1 parameters that take no part in its logits, such as model.idle"),
    ],
)
def test_what_is_no_model_is_said_in_one_line(path: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        count_model(Custom(path, options), 3, 8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda num_classes, resolution: nn.Linear(1, 1), "define it at the top of a module"),
        (nn.Linear(1, 1), "needs a function or class that can be imported"),
        ("convnext_atto", "Custom path must be 'module:name'"),
        ("timm:", "must name a model as timm.list_models()"),
        ("timm:Conv Next", "must name a model as timm.list_models()"),
    ],
)
def test_what_cannot_be_named(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Custom(given)


@pytest.mark.parametrize("value", [lambda: 1, torch.zeros(2), float("nan"), {"a": 1}, {1, 2}, object()])
def test_options_are_plain_values(value: Any) -> None:
    with pytest.raises(ValueError, match="option width of tests"):
        Custom(models.convnet, {"width": value})


def test_timm() -> None:
    """The real one, where it can be imported; `LikeTimm` stands for its interface elsewhere."""
    pytest.importorskip("timm", reason="timm is no dependency; its interface is tested by a stand-in")
    for name, features in (("resnet18", 512), ("vit_tiny_patch16_224", 192), ("convnext_atto", 320)):
        model = Custom(f"timm:{name}")
        count, _ = count_model(model, 7, 64)
        module = made(model, 7, 64)
        assert module(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
        assert module.features(torch.zeros(2, 3, 64, 64)).shape == (2, features)
        assert count.parameters == sum(p.numel() for p in module.parameters())
    with pytest.raises(ValueError, match=r"timm has no model of this name: see timm\.list_models"):
        made(Custom("timm:no_such_net"))


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ValueError, match="pip install timm"):
        made(Custom("timm:resnet18"))

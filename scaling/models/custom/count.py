"""Costs of models that have no closed form, counted on torch's meta device without computing anything."""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakTensorKeyDictionary

from scaling.checks import check, named_error
from scaling.models.custom.module import CustomModel, custom_outline
from scaling.models.pretrained import load_pretrained
from scaling.specs import Count, Custom

# Parts of the names of operations that multiply and add, and that torch's counter may not know.
COSTLY = ("mm", "conv", "attention", "fft", "linalg", "grid_sampler", "lstm", "gru", "rnn", "einsum", "matmul", "cdist")
BATCH = 2  # images of the trial step: batch norm needs more than one value per channel


def count_model(model: Custom, num_classes: int, resolution: int) -> tuple[Count, list[str]]:
    """What the model costs, and the operations that the counter does not know.

    By torch's FlopCounterMode: products of matrices, convolutions and attention; a MAC is two of its FLOPs. The model
    is tried first. Raises ValueError, in one line, for one that cannot be used: `check_module`.
    """
    module = custom_outline(model, num_classes, resolution)
    check_module(module, f"Custom {model.path}", num_classes, resolution)
    module.eval()
    image = torch.empty(1, 3, resolution, resolution, device="meta")
    watch = _Watch()
    # The outer mode sees what the counter has taken apart.
    with torch.no_grad(), watch, FlopCounterMode(display=False) as counter:
        module(image)
    macs = counter.get_total_flops() // 2
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    count = Count(
        resolution,
        num_classes,
        parameters=sum(sizes.values()),
        classifier=sum(sizes[name] for name in module.classifier),
        macs=macs,
        macs_valid=macs - watch.padding,
    )
    return count, sorted(watch.unknown)


def check_fits(model: Custom, trained: tuple[int, int], place: tuple[int, int]) -> None:
    """Raise ValueError unless weights of one resolution and number of classes can be fine-tuned at another."""
    if trained[0] == place[0]:
        return
    before, after = (custom_outline(model, classes, resolution) for resolution, classes in (trained, place))
    try:
        load_pretrained(after, before.state_dict())
    except ValueError as error:
        raise ValueError(f"Custom {model.path} at {trained[0]} pixels and at {place[0]}: {error}") from None


def fingerprint(model: Custom, num_classes: int, resolution: int) -> str:
    """Hash of the names and shapes of the parameters and buffers, but for the classifier's."""
    module = custom_outline(model, num_classes, resolution)
    shapes = {name: list(value.shape) for name, value in module.state_dict().items() if name not in module.classifier}
    return hashlib.sha256(repr(sorted(shapes.items())).encode()).hexdigest()[:16]


def check_module(module: CustomModel, label: str, num_classes: int, resolution: int) -> None:
    """Try one step on the meta device. Raises ValueError unless logits and features are of the right shapes, and every
    parameter takes part in the logits."""
    images = torch.empty(BATCH, 3, resolution, resolution, device="meta")
    for training in (True, False):
        module.train(training)
        try:
            logits: Any = module(images)
        except Exception as error:
            mode = "training" if training else "evaluation"
            raise ValueError(
                f"{label} cannot be tried at {resolution} pixels (on torch's meta device, in {mode}): "
                f"{named_error(error)}"
            ) from None
        check(
            isinstance(logits, Tensor),
            f"{label} must return logits alone, it returns {type(logits).__name__}",
        )
        check(
            tuple(logits.shape) == (BATCH, num_classes),
            f"{label} must return logits [B, {num_classes}] of images [B, 3, {resolution}, {resolution}], it returns "
            f"[{', '.join(map(str, ['B', *logits.shape[1:]] if len(logits) == BATCH else logits.shape))}]",
        )
        if training:
            _check_gradients(module, logits, label)
    found = module.features(images)
    check(
        isinstance(found, Tensor) and found.ndim == 2 and len(found) == BATCH,
        f"{label} must have features [B, D], it has {_shape(found)}: give it a method features(x)",
    )


def _check_gradients(module: nn.Module, logits: Tensor, label: str) -> None:
    logits.sum().backward()
    unused = [name for name, p in module.named_parameters() if p.requires_grad and p.grad is None]
    module.zero_grad(set_to_none=True)
    check(
        not unused,
        f"{label} has {len(unused)} parameters that take no part in its logits, such as {''.join(unused[:1])}: workers "
        "would wait for their gradients; leave them out, or set requires_grad=False",
    )


def _shape(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__


class _Watch(TorchDispatchMode):
    """What torch's counter leaves out: costly operations that it does not know, and which taps meet padding."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unknown: set[str] = set()  # operations that are costly by their names, or none of torch's
        self.padding = 0  # MACs of convolutions with zeros that were padded, by themselves or by F.pad
        self._known: Any = FlopCounterMode(display=False).flop_registry
        self._pads = WeakTensorKeyDictionary()  # of tensors that F.pad made: (before, after) of each image axis

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = getattr(func, "_overloadpacket", func)
        if packet is torch.ops.aten.constant_pad_nd:
            self._note_pad(args[0], out, args[1])
        elif packet is torch.ops.aten.convolution:
            self.padding += self._with_padding(out, *args)
        elif packet not in self._known:
            name = str(packet)
            own = not name.startswith(("aten.", "prim", "prims."))
            if own or any(part in name.removeprefix("aten.") for part in COSTLY):
                self.unknown.add(name)
        return out

    def _note_pad(self, x: Tensor, out: Tensor, pad: Sequence[int]) -> None:
        pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]  # F.pad has the last axis first
        axes = x.ndim - 2
        if len(pairs) <= axes and all(size >= 0 for pair in pairs for size in pair):
            self._pads[out] = [(0, 0)] * (axes - len(pairs)) + pairs

    def _with_padding(
        self,
        out: Tensor,
        x: Tensor,
        w: Tensor,
        _bias: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        *_: Any,
    ) -> int:
        if transposed:
            return 0
        all_taps = inside = 1
        for axis in range(x.ndim - 2):
            before, after = self._pads.get(x, [(0, 0)] * (x.ndim - 2))[axis]
            size, kernel, outputs = x.shape[2 + axis] - before - after, w.shape[2 + axis], out.shape[2 + axis]
            step, pad, spread = (values[axis if len(values) > 1 else 0] for values in (stride, padding, dilation))
            all_taps *= kernel * outputs
            inside *= _taps(size, kernel, outputs, step, pad + before, spread)
        return len(x) * w.shape[0] * w.shape[1] * (all_taps - inside)


def _taps(size: int, kernel: int, outputs: int, stride: int, padding: int, dilation: int) -> int:
    """How many pairs of an output and a tap along an axis meet an input."""
    places = (out * stride - padding + tap * dilation for out in range(outputs) for tap in range(kernel))
    return sum(0 <= place < size for place in places)

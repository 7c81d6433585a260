"""Evaluations as a user would bring them: functions of (model, device), named by their import path."""

from typing import Any

import torch
from torch import nn


def sizes(model: nn.Module, device: torch.device, *, images: int = 2) -> dict[str, Any]:
    x = torch.zeros(images, 3, 16, 16, device=device)
    with torch.no_grad():
        return {"outputs": model(x).shape[1], "width": torch.tensor(model.features(x).shape[1])}  # type: ignore[operator]


def broken(model: nn.Module, device: torch.device) -> dict[str, Any]:
    raise KeyError("nothing\nhere")


def returned(model: nn.Module, device: torch.device, *, what: str) -> Any:
    return {"text": {"score": "0.5"}, "nothing": {}, "list": [1.0], "nan": {"score": float("nan")}}[what]


def alone(model: nn.Module) -> dict[str, float]:
    return {}

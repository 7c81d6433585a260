"""A study of a user's own models, and the module beside it, as texts of files."""

LAYERS = '''
import torch
from torch import nn


class Biased(nn.Module):
    """Attention with a bias by the distance."""

    def __init__(self, width, tokens):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = nn.Parameter(torch.zeros(2 * tokens - 1))
        at = torch.arange(tokens)
        self.register_buffer("distance", at[:, None] - at[None] + tokens - 1, persistent=False)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return (q @ k.transpose(1, 2) + self.bias[self.distance]).softmax(-1) @ v
'''

OWN_STUDY = '''
from own_layers import Biased
from torch import nn

from scaling.data import ifs
from scaling.specs import Custom, FewShot, Pretrain, Recipe, Study, Task, ViT

RECIPE = Recipe(batch_size=16, warmup_steps=5, dropout=0.1, grad_clip=1.0, loss="softmax", head_bias=0.0)
TUNING = Recipe(optimizer="sgd", batch_size=16, warmup_steps=5, schedule="cosine", weight_decay=0.0, loss="softmax")
DATA = ifs(classes=8, images=60, size=16)


def convnet(num_classes, resolution, width):
    """With batch norm: a small one."""
    first = [nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    second = [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU()]
    return nn.Sequential(*first, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, num_classes))


class MLP(nn.Module):
    """Residual, over patches, and an attention with a relative bias."""

    def __init__(self, num_classes, resolution, width=32):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.mix = Biased(width, (resolution // 4) ** 2)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.top = nn.Linear(width, num_classes)

    def features(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.mix(x)
        return (x + self.mlp(x)).mean(1)

    def forward(self, x):
        return self.top(self.features(x))


class LikeTimm(nn.Module):
    """timm's interface, where timm is not."""

    def __init__(self, num_classes, resolution):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU())
        self.fc = nn.Linear(16, num_classes)

    def forward_features(self, x):
        return self.stem(x)

    def forward_head(self, x, pre_logits=False):
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


MODELS = {
    "ConvNet": Custom(convnet, {"width": 8}, family="convnet"),
    "MLP": Custom("own_study.py:MLP", family="mlp"),
    "ViT": ViT(4, 32, 2, 64, 2),
    "Net18": Custom(LikeTimm, family="net"),
}
STUDY = Study(
    "own",
    tuple(Pretrain(n, m, DATA, 1e-3, 15, RECIPE, resolution=16, dev_fraction=0.1) for n, m in MODELS.items()),
    (Task("t", DATA, (0.01, 0.1), 60, TUNING, dev_fraction=0.2, resolution=16),),
    (FewShot(DATA, shots=(5,), resolution=16),),
    seeds=(0,),
)
'''

"""Closed forms for the layers of a ResNet, without its classifier, in the conventions of `counts.py`."""

from dataclasses import dataclass

from scaling.specs import ResNet


@dataclass(frozen=True)
class Convolution:
    """One square convolution without bias, and the GroupNorm that goes with it.

    The counts hold for both paddings, XLA's SAME and (kernel - 1) / 2 zeros on every side: their borders are equal
    where the stride is 1 or the side is odd, and mirror images of each other otherwise.
    """

    side: int  # of the square input
    kernel: int
    stride: int
    in_channels: int
    out_channels: int
    norm_channels: int = 0  # 0: no norm

    @property
    def out_side(self) -> int:
        return -(-self.side // self.stride)

    @property
    def parameters(self) -> int:
        return self.in_channels * self.out_channels * self.kernel**2 + 2 * self.norm_channels

    def macs(self, valid: bool) -> int:
        taps = self.valid_taps() if valid else self.out_side * self.kernel  # of one row; rows and columns multiply
        return taps**2 * self.in_channels * self.out_channels

    def valid_taps(self) -> int:
        """Taps inside the image, summed over the output positions of one row."""
        border = max((self.out_side - 1) * self.stride + self.kernel - self.side, 0) // 2
        starts = (i * self.stride - border for i in range(self.out_side))
        return sum(min(start + self.kernel, self.side) - max(start, 0) for start in starts)


@dataclass(frozen=True)
class AxialLayer:
    """Attention along the columns and then the rows of a square map, with its tables of offsets and its norms."""

    side: int
    width: int
    num_heads: int

    @property
    def parameters(self) -> int:
        C, d, L = self.width, self.width // self.num_heads, self.side
        line = C * 2 * C + 2 * d * (2 * L - 1) + 2 * 2 * C + 2 * C  # q k v, offsets, the norms of q k v and the output
        return 2 * line

    def macs(self, valid: bool) -> int:
        """Equal in both conventions, as nothing is padded.

        On a line, each position costs 2 C^2 for q, k and v together; each pair of positions costs C / 2 for each of its
        three logits, and C each for the value and for the value's offset.
        """
        C, L = self.width, self.side
        line = 2 * L * C**2 + 3 * L**2 * C // 2 + 2 * L**2 * C
        return 2 * L * line


def resnet_layers(model: ResNet, resolution: int) -> list[tuple[int, Convolution | AxialLayer]]:
    """How often each distinct layer of a ResNet occurs, for images of `resolution` pixels a side."""
    large = model.stem == "imagenet"
    root = _convolution(model, resolution, 7 if large else 3, 2 if large else 1, 3, model.width, shares_norm=True)
    layers: list[tuple[int, Convolution | AxialLayer]] = [(1, root)]
    side, channels = -(-root.out_side // 2) if large else root.out_side, model.width  # the max-pool has stride 2
    for stage, depth in enumerate(model.depths):
        width, stride = model.width * 2**stage, 1 if stage == 0 else 2
        out, small = 4 * width, -(-side // stride)
        layers += [
            (1, _convolution(model, side, 1, 1, channels, width)),
            (1, _spatial(model, side, stride, width)),
            (1, _convolution(model, side, 1, stride, channels, out, shares_norm=True)),  # the shortcut's projection
            (depth, _convolution(model, small, 1, 1, width, out)),
            (depth - 1, _convolution(model, small, 1, 1, out, width)),
            (depth - 1, _spatial(model, small, 1, width)),
        ]
        side, channels = small, out
    return layers


def _convolution(
    model: ResNet, side: int, kernel: int, stride: int, inputs: int, outputs: int, *, shares_norm: bool = False
) -> Convolution:
    """One convolution with its norm; one that `shares_norm` has none of its own in the pre-activation form."""
    before = 0 if shares_norm else inputs
    norm = before if model.activation == "pre" else outputs
    return Convolution(side, kernel, stride, inputs, outputs, norm_channels=norm)


def _spatial(model: ResNet, side: int, stride: int, width: int) -> Convolution | AxialLayer:
    """The layer that mixes positions in a bottleneck. Attention works at the input's size and is pooled afterwards."""
    if model.spatial == "axial":
        return AxialLayer(side, width, model.num_heads)
    return _convolution(model, side, 3, stride, width, width)


def resnet_parameters(model: ResNet, resolution: int) -> int:
    """Parameters without the classifier; only axial attention's tables depend on `resolution`."""
    last_norm = 2 * model.out_channels if model.activation == "pre" else 0
    return sum(count * layer.parameters for count, layer in resnet_layers(model, resolution)) + last_norm


def resnet_macs(model: ResNet, resolution: int, *, valid: bool) -> int:
    """MACs of the forward pass of one image, without the classifier."""
    return sum(count * layer.macs(valid) for count, layer in resnet_layers(model, resolution))


def feature_side(model: ResNet, resolution: int) -> int:
    """Positions a side of the last feature map."""
    return -(-resolution // model.stride)

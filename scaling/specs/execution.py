"""How a worker makes its training steps. Hardware's business: no part of any spec's identity."""

from dataclasses import dataclass
from typing import Literal

from scaling.checks import check, check_numbers, check_types

Precision = Literal["fp32", "bf16"]  # of a step's arithmetic; the weights are fp32


@dataclass(frozen=True)
class Execution:
    """How each worker makes its training steps: no part of any spec, the same in every way of placing the work."""

    precision: Precision | None = None
    """fp32 or bf16. Default: bf16 on a GPU, fp32 on a CPU."""
    compile: bool = False
    """Compile the training steps (torch.compile): minutes at the start of a large run, faster steps after it."""
    microbatch: int | None = None
    """Images of a forward pass on a worker, where its share of the batch does not fit. Default: the whole share."""
    loaders: int | None = None
    """Processes of each worker that decode and crop photographs. Default: the CPUs that GPUs leave over, else 0."""

    def __post_init__(self) -> None:
        check_types(self)
        check(self.microbatch is None or self.microbatch > 0, f"microbatch must be positive, got {self.microbatch}")
        check(self.loaders is None or self.loaders >= 0, f"loaders must not be negative, got {self.loaders}")
        check_numbers(self)

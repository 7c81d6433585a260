"""What a unit of work gets of a cluster. Hardware: no part of any spec."""

from dataclasses import dataclass

from scaling.cli import Machine
from scaling.specs import Precision
from scaling.training.devices import Device, local_device


@dataclass(frozen=True)
class Placement:
    workers: int = 1  # data-parallel workers of a pre-training run
    min_workers: int | None = None  # fewest that it goes on with when machines are lost; None: all of them
    cpus: int = 1  # a worker, when it has no GPU
    gpus: int = 0  # a worker: 0 or 1
    groups: int = 1  # runs that train side by side
    slots: int = 0  # trials that train side by side; of a wish: at most, 0 for as many as fit
    trial_workers: int = 1  # data-parallel workers of a trial
    trial_gpus: float = 1.0  # of a trial with one worker, where there are GPUs: several may share one
    precision: Precision | None = None  # fp32, bf16, or None: what the device does best
    compile: bool = False  # training steps through torch.compile
    microbatch: int | None = None  # images of a forward pass on a worker; None: its whole share of the batch
    loaders: int | None = None  # processes of a worker that decode and crop photographs; 0: its own threads do

    @property
    def resources(self) -> dict[str, float]:
        """Ray resources of one worker and its loaders."""
        cpus = self.cpus + (self.loaders or 0)
        return {"CPU": cpus, "GPU": self.gpus} if self.gpus else {"CPU": cpus}

    @property
    def trial_resources(self) -> dict[str, float]:
        """Ray resources of a trial with one worker."""
        return {**self.resources, "GPU": self.trial_gpus} if self.gpus else self.resources

    def device(self) -> Device:
        """The device of the worker that calls."""
        return local_device(
            self.precision, self.cpus, compile=self.compile, microbatch=self.microbatch, loaders=self.loaders or 0
        )


def wished(machine: Machine) -> Placement:
    """What the options of a front door ask for."""
    return Placement(
        workers=machine.workers,
        min_workers=machine.min_workers,
        trial_workers=machine.trial_workers,
        trial_gpus=machine.trial_gpus,
        slots=machine.max_concurrent or 0,
        precision=machine.precision,
        compile=machine.compile,
        microbatch=machine.microbatch,
        loaders=machine.loaders,
    )

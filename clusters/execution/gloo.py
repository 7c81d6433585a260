"""The backend by which workers of torch_xla join under Ray Train: they exchange gradients through their hosts, by gloo.

Ray's own TorchConfig does not do: it asks torch_tpu for the device of a worker that has TPUs.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ray
import torch.distributed as dist
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig


@dataclass
class GlooConfig(BackendConfig):
    timeout_s: int  # of a collective

    @property
    def backend_cls(self) -> type[Backend]:
        return _Gloo


class _Gloo(Backend):
    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        address, port = worker_group.execute_single(0, get_address_and_port)
        host = f"[{address}]" if ":" in address else address
        world = len(worker_group)
        # All at once: each waits inside for the others.
        joins = [
            worker_group.execute_single_async(
                rank, _join, f"tcp://{host}:{port}", rank, world, backend_config.timeout_s
            )
            for rank in range(world)
        ]
        ray.get(joins)

    def on_shutdown(self, worker_group: Any, backend_config: Any) -> None:
        worker_group.execute_async(_leave)  # not waited for: a worker may be gone


def _join(url: str, rank: int, world: int, seconds: int) -> None:
    timeout = timedelta(seconds=seconds)
    dist.init_process_group("gloo", init_method=url, timeout=timeout, rank=rank, world_size=world)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()

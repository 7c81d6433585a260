"""Few-shot evaluation of one upstream: its weights in, rows out (§4.1). The arithmetic is `scaling.ridge`'s."""

import torch

from scaling import results
from scaling.models import build
from scaling.ridge import fewshot_top1, splits
from scaling.specs import Probe, family, whole_patches
from scaling.storage import Storage
from scaling.training.devices import Device
from scaling.training.ledger import Unit, attempt
from scaling.weights import load_upstream


def probe(what: Probe, *, checkpoint: str | None, storage: Storage, study: str, device: Device) -> None:
    """Write the accuracies of one upstream for every number of shots and every seed, one file."""
    upstream, fewshot = what.upstream, what.fewshot
    with attempt(unit(what), study, storage, device) as ledger, ledger.doing("evaluating"):
        train, test = splits(fewshot.data, storage)
        resolution = whole_patches(upstream.model, fewshot.resolution)
        torch.manual_seed(upstream.seed)
        module = build(upstream.model, 1, resolution=resolution).to(device.torch)
        load_upstream(module, upstream, checkpoint)
        found = fewshot_top1(module, fewshot, train, test, resolution=resolution, device=device, skipped=ledger.skipped)
        about = {
            "probe_id": what.id,
            "run_id": upstream.id,
            "name": upstream.name,
            "family": family(upstream.model),
            "dataset": fewshot.data.name,
            "l2": fewshot.l2,
        }
        rows = [{**about, "shots": shots, "seed": seed, "test_top1": top1} for (shots, seed), top1 in found.items()]
        results.write(storage, "fewshot", rows)


def unit(what: Probe) -> Unit:
    """The probe as the ledger knows it."""
    return Unit(what.id, "fewshot", what.upstream.name, family(what.upstream.model))

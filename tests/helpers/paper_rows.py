"""The paper's studies as made rows: the real specs of `search_spaces`, accuracies that grow with compute."""

import hashlib
import math

from scaling.specs.identity import to_json
from scaling.specs.models import family
from scaling.specs.pretraining import Pretrain
from scaling.specs.study import Study
from scaling.store.results import write_rows
from scaling.store.storage import Storage
from tests.helpers.finished_study import row

SAMPLES = {"jft": 303_000_000, "i21k": 14_000_000, "imagenet": 1_280_000}


def samples_of(run: Pretrain) -> int:
    name = run.data.name
    assert not isinstance(run.subset, float)
    return run.subset or SAMPLES["i21k" if "21k" in name else "jft" if "jft" in name else "imagenet"]


def accuracy(run: Pretrain, flops: float) -> float:
    noise = int(hashlib.sha256(to_json(run).encode()).hexdigest()[:6], 16) / 16**6
    return min(0.99, 0.3 + 0.05 * math.log10(flops) - 0.4 + 0.02 * noise + 0.01 * math.log10(samples_of(run)))


def write_study(storage: Storage, study: Study, finetuned: bool = True) -> None:
    """Rows of pre-training, few-shot, and (unless told) fine-tuning of every run of a study."""
    for place, run in enumerate(study.runs):
        flops = 1e17 * (1 + place)
        about = {"run_id": run.id, "name": run.name, "family": family(run.model)}
        facts = {"dataset": run.data.name, "epochs": run.epochs, "images": round(run.epochs * samples_of(run))}
        costs = {"train_flops": flops, "train_flops_valid": flops, "parameters": 10**6, "seed": run.seed}
        write_rows(storage, "pretrain", [row("pretrain", **about, **facts, **costs, spec=to_json(run))])
        top1 = accuracy(run, flops)
        probe = {"probe_id": f"p{run.id}", "dataset": "imagenet", "shots": 5, "l2": 1.0, "test_top1": top1 - 0.2}
        write_rows(storage, "fewshot", [row("fewshot", **about, **probe, seed=0)])
        curve = [(1, 0.1), (2, 0.2), (3, top1 - 0.2)]
        steps = [row("curve", **about, step=s, images=s * 1000, fewshot_top1=value) for s, value in curve]
        write_rows(storage, "curve", steps)
        if finetuned:
            tuned = {"pretrained": True, "task": "pets", "task_id": "t", "setting_id": "s", "base_lr": 0.01}
            for seed in range(2):
                final = row("transfer", **about, **tuned, seed=seed, test_top1=top1 + 0.002 * seed)
                write_rows(storage, "transfer", [final | {"transfer_id": f"f{run.id}{seed}"}])

"""Pre-training of one run: spec in, rows and a checkpoint out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from scaling.checks import check
from scaling.data.pipeline import Skipped, Stream, batches
from scaling.data.sources import Images, open_split
from scaling.flops import parameters, pretrain_flops
from scaling.models import MaskedPatchPrediction, Model, build
from scaling.randomness import Index, holdout, permute
from scaling.runs.fewshot import fewshot_top1, splits
from scaling.runs.masked import build_masked, corruption, masked_accuracy, masked_prediction
from scaling.specs import Pretrain, check_batches, family, to_json
from scaling.store import Storage, checkpoint_name, clear_checkpoints, write_rows
from scaling.training import (
    SAVE_SECONDS,
    Device,
    Report,
    Trained,
    Training,
    Unit,
    accuracy,
    attempt,
    classification,
    save_final_weights,
    train,
    union_over_workers,
)

SPLIT = 0  # key of the held-out share: of the data set, not of the run, so that runs are judged on the same images
SUBSET = (0, 1)  # key of the order that subsets are the beginning of, also the same for all runs


def pretrain(
    run: Pretrain, *, storage: Storage, study: str, device: Device, report: Report, save_seconds: float = SAVE_SECONDS
) -> None:
    """Train one run and commit its checkpoint, curve and pretrain row. An ordinary function that every worker calls.

    Raises ValueError for data or a batch size that cannot be used and NonFiniteLossError when training diverges; the
    attempt row then says why, and no result row exists.
    """
    check_batches(run.recipe, run.resolution, workers=device.world, microbatch=device.execution.microbatch)
    with attempt(unit(run), study, storage, device) as ledger:
        if run.data.train is None:
            raise ValueError(f"data set {run.data.name} has no URI: give its train= in the study to run it")
        images = open_split(run.data.train, storage)
        train_index, dev_index = split(len(images), run)
        # On every worker: under XLA nothing else makes their weights equal.
        torch.manual_seed(run.seed)
        module = _module(run).to(device.torch)
        skip = run.data.corrupt == "skip"
        stream = Stream(
            run.data.train,
            storage,
            train_index,
            run.recipe,
            run.seed,
            run.resolution,
            window=run.shuffle_window if run.shuffle == "shards" else None,
            skip=skip,
            rank=device.rank,
            world=device.world,
        )
        training = Training(
            id=run.id,
            recipe=run.recipe,
            base_lr=run.base_lr,
            steps=run.steps,
            seed=run.seed,
            batches=partial(
                batches,
                stream=stream,
                skipped=ledger.skipped,
                loaders=device.loaders,
                targets=partial(corruption, run) if run.masked else None,
            ),
            objective=masked_prediction(run) if run.masked else classification(run.recipe, run.seed),
            evaluate=_evaluation(run, images, dev_index, device, ledger.skipped if skip else None),
            probe=_probe(run, storage, device, ledger.skipped),
            evaluations=run.evaluations,
            early_stopping=run.early_stopping,
        )
        trained = train(
            module, training, storage=storage, device=device, ledger=ledger, report=report, save_seconds=save_seconds
        )
        if skip:
            union_over_workers(ledger.skipped, device)
        if device.rank == 0:
            encoder = module.encoder if isinstance(module, MaskedPatchPrediction) else module
            digest = save_final_weights(storage, run.id, encoder, to_json(run), images.classes)
            _write_rows(run, storage, trained, digest)
            clear_checkpoints(storage, run.id)


def unit(run: Pretrain) -> Unit:
    """The run as the ledger knows it."""
    return Unit(run.id, "pretrain", run.name, family(run.model), pretrain_flops(run, valid=True) / run.steps)


def split(count: int, run: Pretrain) -> tuple[Index, np.ndarray]:
    """Indices of the images to train on and of those held out, of `count`, ascending.

    Runs on the same data hold out the same images, whatever their seeds. Smaller subsets lie in larger ones, and all of
    them in the set without the held-out share. Raises ValueError when there are fewer images than the subset has, or
    none held out for early stopping.
    """
    rest, dev_index = holdout(count, run.dev_fraction, SPLIT)
    check(
        run.early_stopping is None or len(dev_index) > 0,
        f"early_stopping of {run.name}: dev_fraction {run.dev_fraction} of {count} images holds none out",
    )
    if run.subset is None:
        return rest, dev_index
    subset = permute(np.arange(run.subset_of(len(rest))), len(rest), SUBSET)
    return np.sort(rest[subset]), dev_index  # sorted, because `below` searches in it


def _module(run: Pretrain) -> nn.Module:
    if run.masked:
        return build_masked(run)
    assert run.data.num_classes is not None
    return build(
        run.model,
        run.data.num_classes,
        resolution=run.resolution,
        dropout=run.recipe.dropout,
        head_bias=run.recipe.head_bias,
    )


def _evaluation(
    run: Pretrain, images: Images, dev_index: np.ndarray, device: Device, skipped: Skipped | None
) -> Callable[[nn.Module], float] | None:
    """The accuracy on the held-out images, if there are any and the run predicts classes."""
    if not len(dev_index) or not run.predicts_classes:
        return None
    if run.masked:
        return lambda module: masked_accuracy(run, module, images, dev_index, device, skipped)
    return lambda module: accuracy(module, images, dev_index, run.resolution, device, skipped)[0]


def _probe(run: Pretrain, storage: Storage, device: Device, skipped: Skipped) -> Callable[[nn.Module], float] | None:
    """The few-shot accuracy to watch, if the run has one: the mean over its seeds.

    Every worker computes all of it: its share of so few images would not be worth an exchange.
    """
    fewshot = run.fewshot
    if fewshot is None:
        return None
    train, test = splits(fewshot.data, storage)

    def top1(module: nn.Module) -> float:
        encoder = module.encoder if isinstance(module, MaskedPatchPrediction) else module
        assert isinstance(encoder, Model)
        accuracies = fewshot_top1(
            encoder, fewshot, train, test, resolution=run.resolution, device=device, skipped=skipped
        )
        return sum(accuracies.values()) / len(accuracies)

    return top1


def _write_rows(run: Pretrain, storage: Storage, trained: Trained, digest: str) -> None:
    about = {"run_id": run.id, "name": run.name, "family": family(run.model)}
    batch_size, share = run.recipe.batch_size, trained.steps / run.steps  # 1 unless the run was stopped early
    curve = [{**about, "images": point["step"] * batch_size, **point} for point in trained.curve]
    row: dict[str, Any] = {
        **about,
        "dataset": run.data.name,
        "parameters": parameters(run.model, resolution=run.resolution),
        "epochs": run.epochs * share,
        "images": trained.steps * batch_size,
        "steps": trained.steps,
        "batch_size": batch_size,
        "resolution": run.resolution,
        "base_lr": run.base_lr,
        "seed": run.seed,
        "train_flops": pretrain_flops(run, valid=False) * share,
        "train_flops_valid": pretrain_flops(run, valid=True) * share,
        "train_loss": trained.train_loss,
        "dev_top1": trained.dev_top1,
        "weights_sha256": digest,
        "checkpoint": checkpoint_name(run.id),
        "spec": to_json(run),
    }
    write_rows(storage, "curve", curve)
    write_rows(storage, "pretrain", [row])  # last: the run is done when this row is there

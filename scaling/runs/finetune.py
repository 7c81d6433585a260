"""Fine-tuning of one upstream model on one task: a dev trial or a final run, rows out."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from scaling.checkpoints import load_upstream
from scaling.data.pipeline import Skipped, Stream, batches
from scaling.data.sources import Images, open_beside, open_split
from scaling.flops import transfer_flops
from scaling.models import build
from scaling.randomness import Index, Rest, hashed, holdout
from scaling.runs.official import official_dev_split
from scaling.specs import Dataset, Scratch, Task, Transfer, check_batches, family, to_json, without_representation
from scaling.store import Storage, clear_checkpoints, clear_later, read_row, write_rows
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
    evaluated_at,
    save_final_weights,
    train,
)


def finetune(
    transfer: Transfer,
    *,
    checkpoint: str | None,
    storage: Storage,
    study: str,
    device: Device,
    report: Report,
    until: int | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> dict[str, Any]:
    """Fine-tune from `checkpoint` (a directory's path or URI; None for a Scratch upstream); commit and return one row.

    §4.1, Table 4: a dev trial trains without the dev split and is judged on it; a final run trains on all training
    images and reads the test set, once. A dev trial may pause after `until` steps, to go on from there another time:
    its row then holds the accuracy so far. Raises the errors of `pretrain`.
    """
    task, recipe, resolution = transfer.task, transfer.recipe, transfer.resolution
    check_batches(recipe, resolution, workers=device.world, microbatch=device.execution.microbatch)
    with attempt(transfer_unit(transfer), study, storage, device) as ledger:
        train_uri, _ = uris(task.data)
        images = open_split(train_uri, storage)
        index, dev_index = dev_split(images, task, storage)
        if transfer.phase == "final":
            index = Rest(len(images), np.array([], np.int64))
        skip = task.data.corrupt == "skip"
        stream = Stream(
            train_uri,
            storage,
            index,
            recipe,
            transfer.seed,
            resolution,
            skip=skip,
            rank=device.rank,
            world=device.world,
        )
        # None: a corrupt image raises.
        skipped = ledger.skipped if skip else None
        module = _module(transfer, checkpoint).to(device.torch)
        training = Training(
            id=transfer.id,
            recipe=recipe,
            base_lr=transfer.base_lr,
            steps=transfer.steps,
            until=until,
            seed=transfer.seed,
            batches=partial(batches, stream=stream, skipped=ledger.skipped, loaders=device.loaders),
            objective=classification(recipe, transfer.seed),
        )
        if until is not None and until < transfer.steps and device.rank == 0:  # at the last one nothing is later
            clear_later(storage, transfer.id, until)
        trained = train(
            module, training, storage=storage, device=device, ledger=ledger, report=report, save_seconds=save_seconds
        )
        with ledger.doing("evaluating"), evaluated_at(trained.steps):
            result = _evaluated(transfer, trained, module, images, dev_index, storage, device, skipped)
        row = {**known_columns(transfer), "train_loss": trained.train_loss, **result}
        if device.rank == 0:
            # Weights, then the row, then checkpoints go: a kill in between leaves nothing that looks done and is not.
            if task.keep and transfer.phase == "final":
                save_final_weights(storage, transfer.id, module, to_json(transfer), images.classes)
            write_rows(storage, transfer.table, [row])
            if trained.steps == transfer.steps:  # at a rung the trial goes on from its checkpoint
                clear_checkpoints(storage, transfer.id)
    return row


def _evaluated(
    transfer: Transfer,
    trained: Trained,
    module: nn.Module,
    images: Images,
    dev_index: np.ndarray,
    storage: Storage,
    device: Device,
    skipped: Skipped | None,
) -> dict[str, Any]:
    """The row's key and accuracy: on the dev split, or on the test set."""
    if transfer.phase == "dev":
        top1, loss = accuracy(module, images, dev_index, transfer.resolution, device, skipped)
        row = {"trial_id": transfer.id, "steps_done": trained.steps, "dev_top1": top1, "dev_loss": loss}
        return row | _rungs(storage, transfer, trained.steps, top1)
    train_uri, test_uri = uris(transfer.task.data)
    test = open_beside(test_uri, train_uri, storage)
    top1, _ = accuracy(module, test, np.arange(len(test)), transfer.resolution, device, skipped)
    return {"transfer_id": transfer.id, "test_top1": top1}


def dev_split(images: Images, task: Task, storage: Storage) -> tuple[Index, np.ndarray]:
    """The images that a dev trial trains on and those it is evaluated on: the official split, or a random share."""
    if task.data.dev is not None:
        return official_dev_split(images, open_beside(task.data.dev, uris(task.data)[0], storage))
    # Key 0, whatever the seeds: all trials of a task are judged on the same images.
    return holdout(len(images), task.dev_fraction, 0)


def _rungs(storage: Storage, trial: Transfer, steps: int, top1: float) -> dict[str, list[Any]]:
    """The trial's earlier rungs, and this one."""
    row = read_row(storage, "trial", trial.id)
    earlier = list(zip(row["rung_steps"], row["rung_dev_top1"], strict=True)) if row else []
    # A leg that is done once more replaces its own rung.
    rungs = [rung for rung in earlier if rung[0] < steps] + [(steps, top1)]
    return {"rung_steps": [at for at, _ in rungs], "rung_dev_top1": [value for _, value in rungs]}


def transfer_unit(transfer: Transfer) -> Unit:
    """The transfer as the ledger knows it."""
    upstream = transfer.upstream
    return Unit(
        transfer.id,
        transfer.table,
        upstream.name,
        family(upstream.model),
        transfer_flops(transfer, valid=True) / transfer.steps,
    )


def uris(data: Dataset) -> tuple[str, str]:
    """URIs of the training and test split. Raises ValueError when one is missing."""
    if data.train is None or data.test is None:
        raise ValueError(f"data set {data.name} needs a train= and a test= URI in the study to run it")
    return data.train, data.test


def _module(transfer: Transfer, checkpoint: str | None) -> nn.Module:
    """The upstream's body under a new classifier (§B.1.1: the whole pre-training head is dropped)."""
    upstream, recipe = transfer.upstream, transfer.recipe
    assert transfer.task.data.num_classes is not None
    torch.manual_seed(hashed(upstream.seed, transfer.seed))  # a from-scratch baseline has new weights for each seed
    module = build(
        without_representation(upstream.model),
        transfer.task.data.num_classes,
        resolution=transfer.resolution,
        dropout=recipe.dropout,
        head_bias=recipe.head_bias,
    )
    load_upstream(module, upstream, checkpoint)
    return module


def known_columns(transfer: Transfer) -> dict[str, Any]:
    """The columns of a transfer's row that are known before it is trained."""
    upstream, task, recipe = transfer.upstream, transfer.task, transfer.recipe
    return {
        "run_id": upstream.id,
        "name": upstream.name,
        "family": family(upstream.model),
        "pretrained": not isinstance(upstream, Scratch),
        "task_id": task.id,
        "task": task.name,
        "setting_id": transfer.setting.id,
        "base_lr": transfer.base_lr,
        "weight_decay": recipe.weight_decay,
        "dropout": recipe.dropout,
        "label_smoothing": recipe.label_smoothing,
        "seed": transfer.seed,
        "resolution": transfer.resolution,
        "steps": transfer.steps,
        "batch_size": recipe.batch_size,
        "train_flops": transfer_flops(transfer, valid=False),
        "train_flops_valid": transfer_flops(transfer, valid=True),
        "spec": to_json(transfer),
    }

"""Transfer of one upstream model to one task: a dev trial or a final run, rows out."""

from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from scaling import results
from scaling.data.official import set_apart
from scaling.data.ordering import hashed, holdout
from scaling.data.sources import Images, open_split
from scaling.flops import transfer_flops
from scaling.models import build, load_pretrained
from scaling.pretrain import batch_of
from scaling.recipe import check_batches
from scaling.specs import Dataset, Pretrain, Task, Transfer, family, to_json, without_representation
from scaling.storage import Storage
from scaling.training import state
from scaling.training.devices import Device
from scaling.training.evaluation import accuracy
from scaling.training.ledger import Unit, attempt
from scaling.training.loop import SAVE_SECONDS, Report, Training, train
from scaling.training.objective import classification


def finetune(
    transfer: Transfer,
    *,
    checkpoint: str | None,
    storage: Storage,
    study: str,
    device: Device,
    report: Report,
    save_seconds: float = SAVE_SECONDS,
) -> dict[str, Any]:
    """Fine-tune from `checkpoint` (a directory's path or URI; None for a Scratch upstream); commit and return one row.

    §4.1, Table 4: a dev trial trains without the dev split and is judged on it; a final run trains on all training
    images and reads the test set, once. Raises as `pretrain` does.
    """
    task, recipe, resolution = transfer.task, transfer.task.recipe, transfer.resolution
    check_batches(recipe, resolution, workers=device.world, microbatch=device.microbatch)
    with attempt(unit(transfer), study, storage, device) as ledger:
        train_uri, test_uri = uris(task.data)
        images = open_split(train_uri, storage)
        index, dev_index = dev_split(images, task, storage)
        if transfer.phase == "final":
            index = np.arange(len(images))
        module = _module(transfer, checkpoint).to(device.torch)
        training = Training(
            id=transfer.id,
            recipe=recipe,
            base_lr=transfer.base_lr,
            steps=task.steps,
            seed=transfer.seed,
            batch=lambda step: batch_of(step, images, index, recipe, transfer.seed, resolution, device),
            objective=classification(recipe, transfer.seed),
        )
        trained = train(
            module, training, storage=storage, device=device, ledger=ledger, report=report, save_seconds=save_seconds
        )
        row = {**_facts(transfer), "train_loss": trained.train_loss}
        with ledger.doing("evaluating"):
            if transfer.phase == "dev":
                top1, loss = accuracy(module, images, dev_index, resolution, device)
                row |= {"trial_id": transfer.id, "dev_top1": top1, "dev_loss": loss}
            else:
                test = open_split(test_uri, storage)
                top1, _ = accuracy(module, test, np.arange(len(test)), resolution, device)
                row |= {"transfer_id": transfer.id, "test_top1": top1}
        results.write(storage, table(transfer), [row])
        state.clear(storage, transfer.id)
    return row


def dev_split(images: Images, task: Task, storage: Storage) -> tuple[np.ndarray, np.ndarray]:
    """The images that a dev trial trains on and those it is judged on: the official split, or a random share."""
    if task.data.dev is not None:
        return set_apart(images, open_split(task.data.dev, storage))
    return holdout(len(images), task.dev_fraction, 0)


def table(transfer: Transfer) -> Literal["trial", "transfer"]:
    """The result table of the transfer's row, and its kind in the ledger."""
    return "trial" if transfer.phase == "dev" else "transfer"


def unit(transfer: Transfer) -> Unit:
    """The transfer as the ledger knows it."""
    upstream = transfer.upstream
    return Unit(
        transfer.id,
        table(transfer),
        upstream.name,
        family(upstream.model),
        transfer_flops(transfer, valid=True) / transfer.task.steps,
    )


def uris(data: Dataset) -> tuple[str, str]:
    """URIs of the training and test split. Raises ValueError when one is missing."""
    if data.train is None or data.test is None:
        raise ValueError(f"data set {data.name} needs a train= and a test= URI in the study to run it")
    return data.train, data.test


def _module(transfer: Transfer, checkpoint: str | None) -> nn.Module:
    """The upstream's body under a new classifier (§B.1.1: the whole pre-training head is dropped)."""
    upstream, recipe = transfer.upstream, transfer.task.recipe
    assert transfer.task.data.num_classes is not None
    torch.manual_seed(hashed(upstream.seed, transfer.seed))  # a control starts from other weights with each seed
    module = build(
        without_representation(upstream.model),
        transfer.task.data.num_classes,
        resolution=transfer.resolution,
        dropout=recipe.dropout,
        head_bias=recipe.head_bias,
    )
    if checkpoint is not None:
        load_pretrained(module, state.read_weights(Storage.of(checkpoint)))
    return module


def _facts(transfer: Transfer) -> dict[str, Any]:
    upstream, task = transfer.upstream, transfer.task
    return {
        "run_id": upstream.id,
        "name": upstream.name,
        "family": family(upstream.model),
        "pretrained": isinstance(upstream, Pretrain),
        "task_id": task.id,
        "task": task.name,
        "base_lr": transfer.base_lr,
        "seed": transfer.seed,
        "resolution": transfer.resolution,
        "steps": task.steps,
        "batch_size": task.recipe.batch_size,
        "train_flops": transfer_flops(transfer, valid=False),
        "train_flops_valid": transfer_flops(transfer, valid=True),
        "spec": to_json(transfer),
    }

"""The tables of rows: their columns with units and meaning.

A row is about one unit of work, or about a part of one. Accuracies are fractions in [0, 1], durations are in seconds,
compute is in FLOPs (1 MAC = 2 FLOPs). The names of tables and columns are what users read: they stay.
"""

import pyarrow as pa

SCHEMA_VERSION = 5
_PARAMETERS = ("setting_id", "weight_decay", "dropout", "label_smoothing")
ADDED: dict[int, dict[str, tuple[str, ...]]] = {  # columns by the version that added them; null in older rows
    2: {
        "curve": ("fewshot_top1",),
        "trial": (*_PARAMETERS, "steps_done", "rung_steps", "rung_dev_top1"),
        "transfer": _PARAMETERS,
        "attempt": ("corrupt_images", "first_corrupt"),
    },
    3: {"attempt": ("hosts", "slice", "start_reason", "seconds_queued")},
    4: {"measure": ("compiled",)},
    5: {"attempt": ("seconds_starting",)},
}


def _schema(key: str, *columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    """A table's schema: (column, type, 'unit: meaning'); `key` is the column that names the file."""
    fields = [
        pa.field(name, kind, metadata={"doc": doc, "unit": doc.split(":")[0] if ":" in doc else ""})
        for name, kind, doc in columns
    ]
    return pa.schema(fields, metadata={"key": key, "schema_version": str(SCHEMA_VERSION)})


# a row there says that a unit is done; kinds of attempts
UNIT_TABLES = ("pretrain", "trial", "transfer", "fewshot", "metric")

STRING, INT, FLOAT, TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("ms", tz="UTC")

_RUN = (  # columns of every table about an upstream
    ("run_id", STRING, "id of the upstream (Pretrain or Scratch)"),
    ("name", STRING, "the model's name in figures, e.g. ViT-B/16"),
    ("family", STRING, "vit, resnet or hybrid"),
)
_TRANSFER = (
    *_RUN,
    ("pretrained", pa.bool_(), "false for a from-scratch baseline"),
    ("task_id", STRING, "id of the task without its grid"),
    ("task", STRING, "the task's name"),
    ("setting_id", STRING, "id of the setting (learning rate, steps, resolution and recipe)"),
    ("base_lr", FLOAT, "peak learning rate"),
    ("weight_decay", FLOAT, "decoupled weight decay, multiplied by the current learning rate"),
    ("dropout", FLOAT, "fraction: probability of dropout"),
    ("label_smoothing", FLOAT, "fraction: label smoothing"),
    ("seed", INT, "seed of the fine-tuning"),
    ("resolution", INT, "pixels: side of the images"),
    ("steps", INT, "optimizer steps"),
    ("batch_size", INT, "images per step"),
    ("train_loss", FLOAT, "mean loss of the last tenth of the steps"),
    ("train_flops", FLOAT, "FLOPs: fine-tuning, every tap of padded convolutions"),
    ("train_flops_valid", FLOAT, "FLOPs: fine-tuning, taps inside the image only"),
    ("spec", STRING, "the whole Transfer as JSON"),
)

_INSPECTED = (
    ("inspection_id", STRING, "hash of the weights, the data, the resolution and the choice of images"),
    ("run_id", STRING, "id of the upstream run whose checkpoint it is, null for a file from elsewhere"),
    ("name", STRING, "the model's name"),
    ("family", STRING, "vit, hybrid or axial"),
    ("checkpoint", STRING, "where the weights were read from"),
    ("weights_sha256", STRING, "hash of the weights"),
    ("resolution", INT, "pixels: side of the images"),
)

TABLES: dict[str, pa.Schema] = {
    "pretrain": _schema(
        "run_id",
        *_RUN,
        ("dataset", STRING, "upstream data set"),
        ("parameters", INT, "parameters without the classifier, as in Table 1"),
        ("epochs", FLOAT, "passes over the training images"),
        ("images", INT, "images seen: steps x batch size"),
        ("steps", INT, "optimizer steps"),
        ("batch_size", INT, "images per step, over all workers"),
        ("resolution", INT, "pixels: side of the images"),
        ("base_lr", FLOAT, "peak learning rate"),
        ("seed", INT, "seed of the run"),
        ("train_flops", FLOAT, "FLOPs: training, every tap of padded convolutions"),
        ("train_flops_valid", FLOAT, "FLOPs: training, taps inside the image only (Table 6's convention)"),
        ("train_loss", FLOAT, "mean loss of the last tenth of the steps"),
        ("dev_top1", FLOAT, "fraction: accuracy on the held-out share of the upstream data, null without one"),
        ("weights_sha256", STRING, "hash of the final weights' file"),
        ("checkpoint", STRING, "path of the final checkpoint inside the storage"),
        ("spec", STRING, "the whole Pretrain as JSON"),
    ),
    "curve": _schema(
        "run_id",
        *_RUN,
        ("step", INT, "optimizer steps done"),
        ("images", INT, "images seen so far"),
        ("lr", FLOAT, "learning rate of the step"),
        ("train_loss", FLOAT, "loss of the step's batch, mean over all workers"),
        ("dev_top1", FLOAT, "fraction: accuracy on the held-out share, null where it was not evaluated"),
        ("fewshot_top1", FLOAT, "fraction: few-shot test accuracy, mean over the seeds of the run's fewshot, or null"),
    ),
    "trial": _schema(
        "trial_id",
        ("trial_id", STRING, "id of the Transfer, phase dev"),
        *_TRANSFER,
        (
            "steps_done",
            INT,
            "optimizer steps after which it was evaluated: all, or up to the rung where halving left it",
        ),
        ("dev_top1", FLOAT, "fraction: accuracy on the dev split"),
        ("dev_loss", FLOAT, "mean cross-entropy on the dev split"),
        ("rung_steps", pa.list_(INT), "optimizer steps: the rungs that it was evaluated at, steps_done the last"),
        ("rung_dev_top1", pa.list_(FLOAT), "fraction: accuracy on the dev split at each of them"),
    ),
    "transfer": _schema(
        "transfer_id",
        ("transfer_id", STRING, "id of the Transfer, phase final"),
        *_TRANSFER,
        ("test_top1", FLOAT, "fraction: accuracy on the test set"),
    ),
    "fewshot": _schema(
        "probe_id",
        ("probe_id", STRING, "id of the Probe"),
        *_RUN,
        ("dataset", STRING, "data set of the evaluation"),
        ("shots", INT, "training images per class"),
        ("seed", INT, "seed of the choice of images"),
        ("l2", FLOAT, "L2 regularization of the ridge regression"),
        ("test_top1", FLOAT, "fraction: accuracy on the test set"),
    ),
    "metric": _schema(
        "evaluation_id",
        ("evaluation_id", STRING, "id of the EvaluationRun"),
        *_RUN,
        ("protocol_id", STRING, "id of the evaluation alone, the same for all upstreams"),
        ("evaluation", STRING, "the evaluation's name"),
        ("dataset", STRING, "data set of the evaluation, null for a function of the user's"),
        ("resolution", INT, "pixels: side of the images, in whole patches"),
        ("metric", STRING, "what was measured: top1, ece, mean error and mCE are fractions, nll is in nats"),
        (
            "setting",
            STRING,
            "what tells it from others of the same metric, such as k=20, or empty",
        ),
        ("value", FLOAT, "the number"),
        ("headline", pa.bool_(), "whether tables and figures show it"),
    ),
    "evaluation": _schema(
        "evaluation_id",
        ("evaluation_id", STRING, "hash of the weights, the data, the right classes and the preparation"),
        ("run_id", STRING, "id of the run whose checkpoint it is, null for a file from elsewhere"),
        ("name", STRING, "the model's name"),
        ("family", STRING, "vit, resnet or hybrid"),
        ("checkpoint", STRING, "where the weights were read from"),
        ("weights_sha256", STRING, "hash of the checkpoint's weights file, or of the parameters of a file"),
        ("data", STRING, "URI of the images"),
        ("fingerprint", STRING, "hash of the content of the data"),
        ("truth", STRING, "labels, real (lists of classes) or classes (a mapping)"),
        ("images", INT, "images evaluated"),
        ("left_out", INT, "images without a right class"),
        ("resolution", INT, "pixels: side of the images"),
        ("resize", INT, "pixels of the short side before the central crop, null: resized straight"),
        ("top1", FLOAT, "fraction: a right class is the first"),
        ("top5", FLOAT, "fraction: a right class is among the first five"),
    ),
    "measure": _schema(
        "measure_id",
        ("measure_id", STRING, "one measurement of one model at one resolution on one device"),
        ("measured_at", TIME, "UTC: end of the measurement; the newest one counts"),
        ("device", STRING, "chip: cpu, or as the driver calls it"),
        ("precision", STRING, "fp32 or bf16"),
        ("compiled", pa.bool_(), "whether the training step went through torch.compile; inference never does"),
        ("cores", INT, "cores of the chip's vendor that worked: CPU threads, or 1 for a GPU"),
        ("torch", STRING, "version of torch"),
        ("name", STRING, "the model's name"),
        ("family", STRING, "vit, resnet, hybrid or axial"),
        ("spec", STRING, "the architecture as JSON"),
        ("resolution", INT, "pixels: side of the images, in whole patches"),
        ("num_classes", INT, "classes of the classifier"),
        ("images_per_second", FLOAT, "images/s: inference at the best batch, on all cores (Figure 12, left)"),
        ("batch", INT, "images: the batch of images_per_second"),
        ("batches", pa.list_(INT), "images: the batches that were tried"),
        ("rates", pa.list_(FLOAT), "images/s: inference at each of them"),
        ("largest_batch", INT, "images: the largest batch of inference that fits (Figure 12, right), null if unknown"),
        (
            "largest_batch_by",
            STRING,
            "trial (it was run) or line (extrapolated from the peaks of smaller ones to the limit)",
        ),
        ("memory_limit", INT, "bytes: memory that it must fit into"),
        ("train_batch", INT, "images of a training step"),
        ("step_seconds", FLOAT, "s: a training step, median"),
        ("train_images_per_second", FLOAT, "images/s: training, on all cores"),
        ("train_flops", FLOAT, "FLOPs: of a step, every tap of padded convolutions"),
        ("gemm_tflops", FLOAT, "TFLOP/s: the device's best square matrix product in this precision"),
        ("mfu", FLOAT, "fraction: TFLOP/s of a step relative to gemm_tflops"),
        ("peak_memory", INT, "bytes: highest in a step, of tensors on a GPU, of the process on a CPU; null if unknown"),
        ("input_images_per_second", FLOAT, "images/s: JPEGs decoded and cropped to the resolution by one core"),
    ),
    "attempt": _schema(
        "attempt_id",
        ("attempt_id", STRING, "id of one attempt at one unit of work, which begins with the unit's id and a hyphen"),
        ("unit_id", STRING, "id of the unit: a run, trial, transfer, probe or evaluation"),
        ("kind", STRING, "pretrain, trial, transfer, fewshot or metric"),
        ("study", STRING, "study that the attempt belongs to"),
        ("name", STRING, "the model's name"),
        ("family", STRING, "vit, resnet or hybrid"),
        ("device", STRING, "chip of the hardware catalogue"),
        ("precision", STRING, "fp32 or bf16"),
        ("workers", INT, "data-parallel workers"),
        ("cores", INT, "cores of the chip's vendor, over all workers; on a CPU with the processes that load images"),
        ("host", STRING, "host of worker 0"),
        ("hosts", INT, "machines that the workers are on"),
        ("slice", STRING, "the TPU slice as its environment names it, null elsewhere"),
        (
            "start_reason",
            STRING,
            "first, failure, preemption, interrupted (Ctrl-C or SIGTERM), resize (of its workers), or rung (promoted)",
        ),
        ("started", TIME, "UTC: start of the attempt"),
        ("first_step", INT, "step that the attempt started from"),
        ("last_step", INT, "steps done when the row was written"),
        ("committed_step", INT, "steps that are safe in a checkpoint or a result row"),
        ("seconds_total", FLOAT, "s: from start to the writing of this row"),
        ("seconds_training", FLOAT, "s: in training steps, those later lost included"),
        ("seconds_evaluating", FLOAT, "s: in evaluation"),
        ("seconds_waiting", FLOAT, "s: waiting for input data"),
        (
            "seconds_queued",
            FLOAT,
            "s: waited before the start, since the request for its workers or the last heartbeat of lost ones; 0: none",
        ),
        (
            "seconds_starting",
            FLOAT,
            "s: that the devices were held before the start: since the process began, or its last attempt ended",
        ),
        ("seconds_lost", FLOAT, "s: training of steps that no checkpoint holds"),
        (
            "corrupt_images",
            INT,
            "images skipped because they cannot be decoded, each once; those of worker 0 until the training ends",
        ),
        ("first_corrupt", STRING, "what is wrong with the first of them, and where it lies"),
        ("train_flops_valid", FLOAT, "FLOPs: of the committed steps"),
        (
            "outcome",
            STRING,
            "done, failed, diverged, interrupted (told to stop), killed, or running (killed, if nothing runs any more)",
        ),
        ("reason", STRING, "why it failed, in one line"),
    ),
    "attention_distance": _schema(
        "inspection_id",
        *_INSPECTED,
        ("layer", INT, "layer of attention, from 0; an axial block is two"),
        ("head", INT, "head of the layer, from 0"),
        ("pixels", FLOAT, "pixels: mean distance from a patch to what it attends to, over patches and images"),
        ("token_pixels", FLOAT, "pixels on a side of a token"),
        ("images", INT, "images that it is the mean over"),
        ("data", STRING, "URI of the images"),
        ("fingerprint", STRING, "hash of the content of the data"),
    ),
    "filters": _schema(
        "inspection_id",
        *_INSPECTED,
        ("component", INT, "principal component of the filters of the patch embedding, from 0, the strongest first"),
        ("variance", FLOAT, "fraction: of the filters' variance that it explains"),
        ("side", INT, "pixels on a side of a patch"),
        ("values", pa.list_(FLOAT), "side x side x 3 weights of unit length: rows, columns, colours"),
    ),
    "position_similarity": _schema(
        "inspection_id",
        *_INSPECTED,
        ("table", INT, "table of positions, from 0: one, or one per layer"),
        ("grid", INT, "patches on a side of the image"),
        ("position", INT, "patch in raster order, from 0"),
        (
            "cosines",
            pa.list_(FLOAT),
            "grid x grid cosine similarities of its embedding with all, raster order",
        ),
    ),
    "rollout": _schema(
        "inspection_id",
        *_INSPECTED,
        ("image", INT, "index of the image in the data"),
        ("grid", INT, "patches on a side of the image"),
        ("shares", pa.list_(FLOAT), "fraction: of the output's attention to each patch, raster order; they sum to one"),
        ("side", INT, "pixels on a side of the small image"),
        ("pixels", pa.list_(pa.uint8()), "the small image: side x side x 3 values, rows, columns, colours"),
        ("data", STRING, "URI of the images"),
        ("fingerprint", STRING, "hash of the content of the data"),
    ),
}

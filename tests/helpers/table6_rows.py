"""Table 6 of the paper (top-1 in %, exaFLOPs) in the columns of `analysis.rows.accuracies`."""

import polars as pl

TASKS = ("imagenet", "imagenet_real", "cifar10", "cifar100", "pets", "flowers")
FIVE = [name for name in TASKS if name != "imagenet_real"]
TABLE = """
ViT-B/32,vit,7,80.73,86.27,98.61,90.49,93.40,99.27,55
ViT-B/16,vit,7,84.15,88.85,99.00,91.87,95.80,99.56,224
ViT-L/32,vit,7,84.37,88.28,99.19,92.52,95.83,99.45,196
ViT-L/16,vit,7,86.30,89.43,99.38,93.46,96.81,99.66,783
ViT-L/16,vit,14,87.12,89.99,99.38,94.04,97.11,99.56,1567
ViT-H/14,vit,14,88.08,90.36,99.50,94.71,97.11,99.71,4262
ResNet50x1,resnet,7,77.54,84.56,97.67,86.07,91.11,94.26,50
ResNet50x2,resnet,7,82.12,87.94,98.29,89.20,93.43,97.02,199
ResNet101x1,resnet,7,80.67,87.07,98.48,89.17,94.08,95.95,96
ResNet152x1,resnet,7,81.88,87.96,98.82,90.22,94.17,96.94,141
ResNet152x2,resnet,7,84.97,89.69,99.06,92.05,95.37,98.62,563
ResNet152x2,resnet,14,85.56,89.89,99.24,91.92,95.75,98.75,1126
ResNet200x3,resnet,14,87.22,90.15,99.34,93.53,96.32,99.04,3306
R50x1+ViT-B/32,hybrid,7,84.90,89.15,99.01,92.24,95.75,99.46,106
R50x1+ViT-B/16,hybrid,7,85.58,89.65,99.14,92.63,96.65,99.40,274
R50x1+ViT-L/32,hybrid,7,85.68,89.04,99.24,92.93,96.97,99.43,246
R50x1+ViT-L/16,hybrid,7,86.60,89.72,99.18,93.64,97.03,99.40,859
R50x1+ViT-L/16,hybrid,14,87.12,89.76,99.31,93.89,97.36,99.11,1668
"""


def accuracies() -> pl.DataFrame:
    """A row a model and data set, and the mean over all six."""
    made = []
    for line in TABLE.split():
        name, family, epochs, *numbers = line.split(",")
        *percents, exaflops = (float(number) for number in numbers)
        about = {"run_id": f"{name} {epochs}", "name": name, "family": family, "pretrained": True}
        about |= {"epochs": float(epochs), "exaflops": exaflops, "exaflops_valid": exaflops}
        values = dict(zip(TASKS, percents, strict=True)) | {"mean": sum(percents) / len(percents)}
        made += [about | {"task": task, "base_lr": None, "top1_mean": v / 100} for task, v in values.items()]
    columns = {"seeds": pl.lit(1, pl.UInt32), "top1_std": pl.lit(None, pl.Float64)}
    return pl.DataFrame(made).with_columns(pl.col("base_lr").cast(pl.Float64), **columns)

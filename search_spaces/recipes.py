"""Pre-training recipes: the ViT paper's (Table 3, §4.1 and §B.1), and one for small models on small images."""

from scaling.specs import Recipe

# Table 3, JFT-300M: AdamW, batch 4096, 10,000 steps of warm-up, linear decay, weight decay 0.1, no dropout or clipping.
JFT = Recipe()
# Table 3, ImageNet-21k: weaker weight decay, dropout 0.1.
IMAGENET_21K = Recipe(weight_decay=0.03, dropout=0.1)
# Table 3, ImageNet: cosine schedule, strong weight decay, gradients clipped at global norm 1; the label smoothing is
# that of the authors' later code.
IMAGENET = Recipe(schedule="cosine", weight_decay=0.3, dropout=0.1, grad_clip=1.0, label_smoothing=1e-4)

# SGD in Table 7 (§D.1), with BiT's settings (Kolesnikov et al. 2020, §3.3): momentum, an L2 penalty of 1e-4, a warm-up
# of 5,000 steps, and a learning rate that falls to a tenth after 10, 23, 30 and 37 of BiT's 40 epochs, scaled to any
# length.
SGD_TABLE_7 = Recipe(
    optimizer="sgd",
    warmup_steps=5_000,
    schedule="steps",
    decay_at=(10 / 40, 23 / 40, 30 / 40, 37 / 40),
    weight_decay=1e-4,
)
SGD_TABLE_7_BASE_LR = 0.03 * SGD_TABLE_7.batch_size / 256  # BiT's linear scaling with the batch size: 0.48

# Self-supervision (§4.6, §B.1.2): Adam at a learning rate of 2e-4, 10,000 steps of warm-up, cosine schedule. The weight
# decay is not given: it is that of JFT.
MASKED = Recipe(schedule="cosine")
MASKED_BASE_LR = 2e-4

# Table 3's base learning rates on JFT, by model. R200x3 is missing there: 4e-4 is our choice, since larger models have
# lower ones.
JFT_BASE_LR = {
    "ViT-B/32": 8e-4,
    "ViT-B/16": 8e-4,
    "ViT-L/32": 6e-4,
    "ViT-L/16": 4e-4,
    "ViT-H/14": 3e-4,
    "R50x1": 1e-3,
    "R50x2": 1e-3,
    "R101x1": 8e-4,
    "R152x1": 6e-4,
    "R152x2": 6e-4,
    "R200x3": 4e-4,
    "R50x1+ViT-B/32": 8e-4,
    "R50x1+ViT-B/16": 8e-4,
    "R50x1+ViT-L/32": 2e-4,  # as printed, though its ViT counterpart, as which it is said to be trained, has 6e-4
    "R50x1+ViT-L/16": 4e-4,
    # Not in Table 3: 'b/32' of Figure 4 and the axial models of Figure 13, with those of their counterparts.
    "ViT-S/32": 8e-4,
    "Axial-ViT-B/32": 8e-4,
    "Axial-ViT-B/16": 8e-4,
    "AxialR50x1": 1e-3,
}

# Ours, for small models on the small images of the built-in data; without crops and flips, as their tasks in `grids`.
RECIPE = Recipe(
    batch_size=32,
    warmup_steps=100,
    schedule="cosine",
    weight_decay=0.05,
    grad_clip=1.0,
    loss="softmax",
    head_bias=0.0,
    crop="none",
    flip=False,
)

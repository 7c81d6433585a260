"""Whether what a study names by import path is there, and does what it is for: said when the study is read.

Checks are imported where they are needed: most studies name nothing, and are read without torch and Optuna.
"""

from scaling.checks import check
from scaling.specs import (
    Augmentation,
    Evaluation,
    Loss,
    Optimizer,
    Pretrain,
    Recipe,
    Sampler,
    Schedule,
    Study,
    Task,
    check_function,
    check_schedule,
    named_in,
)

ALONE = "study_"  # how the names of study files begin that cannot be imported by their own
CLASSES, STEPS = 10, 1000  # for what is checked before the data are read


def check_named(study: Study) -> Study:
    """The study. Raises ValueError, in one line, for what cannot be imported, or fails when it is tried.

    `Custom` models are tried where they are counted, since that needs the data's classes.
    """
    for named in named_in(study):
        module = named.path.partition(":")[0]
        check(
            not module.startswith(ALONE),
            f"the study's file {module.removeprefix(ALONE)}.py holds functions that other processes import: rename it, "
            "its name is another module's or no name of one",
        )
    trainings: tuple[Pretrain | Task, ...] = (*study.runs, *study.tasks)
    for recipe, training in {each.recipe: each for each in trainings}.items():
        _check_recipe(recipe, training)
    for search in [task.search for task in study.tasks if task.search is not None]:
        if isinstance(search.sampler, Sampler):
            from scaling.schedule import check_sampler

            check_sampler(search)
    for evaluation in study.evaluations:
        if isinstance(evaluation, Evaluation):
            check_function(evaluation)
    return study


def _check_recipe(recipe: Recipe, training: Pretrain | Task) -> None:
    if isinstance(recipe.optimizer, Optimizer):
        from scaling.training import check_optimizer

        check_optimizer(recipe)
    if isinstance(recipe.loss, Loss):
        from scaling.training import check_loss

        check_loss(recipe.loss, training.data.num_classes or CLASSES)
    if isinstance(recipe.schedule, Schedule):
        check_schedule(recipe.schedule, _steps(training))
    if any(isinstance(augment, Augmentation) for augment in recipe.augment):
        from scaling.data.pipeline import check_augmentation

        check_augmentation(recipe.augment, training.resolution)


def _steps(training: Pretrain | Task) -> int:
    """Of the training; of one whose images are not counted yet, some number."""
    return STEPS if isinstance(training, Pretrain) and training.data.num_train is None else training.steps

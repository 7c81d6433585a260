from scaling.console.trackers import Tracking, run_directory, scalars


def test_names_stay_in_their_directory() -> None:
    assert run_directory("../../<x>", "id") == "..-..--x--id"


def test_what_is_null_is_not_drawn() -> None:
    assert scalars({"train_loss": 1, "dev_top1": None, "lr": 0.1, "name": "x"}) == {"train_loss": 1.0, "lr": 0.1}


def test_packages_that_are_there_are_enough() -> None:
    Tracking(tensorboard="x").check()

"""Scripts of users that name `scaling.models.checkpoints` keep working."""

import scaling.checkpoints as face


def test_the_functions_are_found_at_their_former_place_and_by_their_former_name() -> None:
    from scaling.models.checkpoints import load, load_weights, save_npz, save_safetensors

    assert load is load_weights is face.load_weights
    assert (save_npz, save_safetensors) == (face.save_npz, face.save_safetensors)

"""The training core: one loop over plain torch. No ray in it."""

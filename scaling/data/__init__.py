"""Where labelled images come from, in what order they are seen, and how they become tensors."""

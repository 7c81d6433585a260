"""Where work runs: chips and their prices, and the Ray shells around the ordinary functions of `scaling`."""

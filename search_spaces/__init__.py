"""What to try: studies, recipes and grids, as plain values. One file is one experiment, its STUDY a Study."""

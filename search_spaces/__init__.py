"""What to try: studies, recipes and grids, as plain values. One file is one experiment; it holds a Study called STUDY."""

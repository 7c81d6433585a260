"""What to try: studies, recipes, grids and searches as plain values. A file with a STUDY is one experiment."""

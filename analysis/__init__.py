"""What the rows of a study show: frontier, core-days, figures, tables and the report. Imports neither torch nor ray."""

"""What a model looks at: `python -m scaling.inspection`."""

"""How one run works: specs, models, data, training, transfer, cost and the rows they leave. Imports no ray."""

"""Pictures of a run, drawn from its history in the formats of the programs that show them."""

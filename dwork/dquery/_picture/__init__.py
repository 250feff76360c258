"""Pictures of a run: what is drawn from its history, in the languages of the programs that show it."""

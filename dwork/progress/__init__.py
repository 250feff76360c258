"""The progress of a run, for people: a live line on a terminal, or a plain line now and then."""

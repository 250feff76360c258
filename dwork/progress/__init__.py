"""How far a run is, for those who wait for it: a live line on a terminal, or a plain line now and then."""

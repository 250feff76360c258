"""Reports what dwork sees of its ranks and the machine before it runs tasks, and what should be changed.

Each rank gathers its facts (`gather`) and sends them to rank 0 (`rounds`), which judges them all (`judge`). dquery does
the same for its own process. Only `judge` decides, and only from facts.
"""

"""What dwork sees of its ranks and the machine before it runs anything, and what should be changed.

Each rank gathers its facts (`gather`) and sends them to rank 0 (`rounds`), which judges them all (`judge`). dquery does
so for the one process that it is. Only `judge` decides, and it knows nothing but facts.
"""

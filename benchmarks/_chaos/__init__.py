"""The parts of chaos.py: graphs whose tasks leave traces, what is done to those who run them, and what must hold."""

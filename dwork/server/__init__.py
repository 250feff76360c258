"""A hub with its transports, record and listeners."""

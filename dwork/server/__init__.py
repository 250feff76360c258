"""Where a hub meets its transports, record and listeners."""

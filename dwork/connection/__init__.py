"""Finding and reaching a hub: connection files, addresses, and the hub's listening end."""

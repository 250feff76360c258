"""How programs find a hub and reach it: connection files, addresses, and the hub's listening end."""

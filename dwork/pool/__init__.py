"""The program dwork-pool."""

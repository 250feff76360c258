"""What this machine and its batch system are: cores, memory, GPUs, cgroups, the job, its end."""

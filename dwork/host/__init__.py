"""What this machine and its batch system provide: cores, memory, GPUs, cgroups, the job and its end."""

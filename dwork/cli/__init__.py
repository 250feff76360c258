"""What the programs share: options, exit codes, one-line errors, shell completion."""

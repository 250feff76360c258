"""What the programs share: options, exit codes, errors of one line, shell completion."""

# Prints the mean and the spread of a column of sorted numbers.
NR == 1 { low = $1 }
{ sum += $1; high = $1 }
END { printf "group %s: %d cases, pi = %.4f, between %.4f and %.4f\n", group, NR, sum / NR, low, high }

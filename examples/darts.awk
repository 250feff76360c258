# Throws n darts at a square and prints an estimate of pi.
BEGIN {
    srand(seed)
    for (i = 0; i < n; i++) {
        x = rand(); y = rand()
        if (x * x + y * y < 1) hits++
    }
    printf "%.6f\n", 4 * hits / n
}

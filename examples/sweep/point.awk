# One point of the sweep: the amplitude of a driven, damped oscillator, x'' = cos t - k x - c x', when it has settled.
# Where the time step DT (from the environment) is too large for the spring, the point fails.
BEGIN {
    dt = ENVIRON["DT"] ? ENVIRON["DT"] : 0.25
    if (dt * dt * k > 1) {
        print "a time step of " dt " is too large for this spring" > "/dev/stderr"
        exit 1
    }
    settled = 20 / c
    for (t = 0; t < settled + 7; t += dt) {
        v += dt * (cos(t) - k * x - c * v)
        x += dt * v
        if (t > settled && x > amplitude) amplitude = x
    }
    print k, c, amplitude
}

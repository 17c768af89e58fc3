"""What a compiler target adds to a strategy. May import kernels, exact, spec and below."""

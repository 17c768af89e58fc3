"""What is right: the reference, the posterior mean, the domain of a proof. Knows no table, strategy or C; may import curves, spec and below."""

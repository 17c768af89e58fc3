"""From a plan to proved files: choice, proof, C text, packages, writer. May import variants, kernels, exact, spec, targets and below."""

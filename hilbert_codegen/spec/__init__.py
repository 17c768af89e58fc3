"""What is to be computed, as exact numbers, and the validated plan. May import config, models, curves and the flat modules."""

"""What a model file says and does: formats, heads, inference. May import the flat modules only."""

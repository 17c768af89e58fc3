"""The compiler matrix."""

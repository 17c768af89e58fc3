"""What the user wrote: schema, reading of TOML, loading with the origin of every value, reference page. May import models, curves and the flat modules."""

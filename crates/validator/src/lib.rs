//! Judges Python source: syntax, forbidden imports, complexity, patterns. Pure; a policy, never a wall.

"""Speed, always beside a named peer in the same run (CONVENTIONS.md, rule 15)."""

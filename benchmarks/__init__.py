"""Speed, always beside a named peer in the same run."""

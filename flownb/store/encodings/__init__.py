"""Encodings: `arrow`, `pickle5` and `plain`; the other modules help `pickle5` with what pickle cannot store alone."""

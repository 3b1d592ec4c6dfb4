"""What one cell says: its mark, its code and its names, read from source text, tags and notebook files."""

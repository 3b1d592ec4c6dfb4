"""What comes out: ``flow.py``."""

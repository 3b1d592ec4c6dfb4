"""Encodings: one file with one class each."""

"""What a result was made with: own modules, packages, Python, environment variables, and whether they changed since."""

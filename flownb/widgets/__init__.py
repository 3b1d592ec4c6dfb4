"""What a notebook front end shows of the session: badges, displayed DAGs, progress, and the wire to the extension."""

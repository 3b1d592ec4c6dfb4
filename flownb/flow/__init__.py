"""What a flow is: its definition, graph, artifacts, checks and generated source."""

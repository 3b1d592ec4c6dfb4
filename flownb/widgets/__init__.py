"""Views in a notebook front end: the wire to the JupyterLab extension, what goes over it, and the DAG widget.

Takes the session and its stream of events; gives messages to views, and widgets.
"""

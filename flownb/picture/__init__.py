"""A picture of a flow: steps, arrows and states, as SVG and as text.

A `Dag` of plain values (`flownb.picture.model`) is all that it needs; it imports nothing else of flownb.
"""

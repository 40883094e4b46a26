"""An independent checker of histories: facts in, anomalies out.

It shares no code with the stages, the edge or `schemas.codec`: who checks must be able to disagree.
"""

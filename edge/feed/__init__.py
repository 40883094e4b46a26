"""Where an edge's segments come from: one interface, one module a source."""

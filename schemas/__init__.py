"""The shared kernel: contracts every other package holds to, and nothing that imports them.

Records and their codec, topic registry, routing, settings, refusal codes, the names of what lives
in Redis, the archive, and the overlay of deletes and clears. `agents` and `edge` meet only here.
"""

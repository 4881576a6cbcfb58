"""The process that owns a device: takes jobs, decodes their pictures, runs batches, writes results into the arena.

Nothing here knows which network or device it drives (engines/), nor who asked (front/): a job says all it may know.
"""

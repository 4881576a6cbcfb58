"""What front and worker share: the messages between them, the arena, how a result lies in it, cores and memory.

Imported by both processes, so nothing here imports either of them, nor anything heavy.
"""

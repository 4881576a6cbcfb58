"""The `depthwire` command, a module for each group of commands; `__main__` is the group itself.

Here is what talks to a person at a terminal. The library imports none of it.
"""

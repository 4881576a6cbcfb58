"""What a person looks at: pictures of depth, PLY files, and the live view in a browser.

Pillow and viser are imported when something is drawn, never with the library.
"""

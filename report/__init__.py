"""Charts of the figures, and the HTML report. It needs the extra `realdb[report]`.

The modules take rows (Arrow tables) and plain values. `api/` asks the store for them.
"""

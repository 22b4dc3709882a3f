"""The library's own streams: named buffers with callbacks, and streaming analysis, without a server."""

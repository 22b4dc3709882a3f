"""The server: sockets, HTTP, keys and metrics; aiohttp lives here and nowhere else."""

"""Sessions without I/O: audio, commands, results and the time come in; events, jobs and the next deadline go out."""

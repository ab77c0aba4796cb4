"""Work on many files: units of work, the engines that run them, the table of what is done, and tar shards."""

"""Translation of tar shards and folders on many processes or machines, by Ray Data."""

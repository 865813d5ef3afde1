"""varve-bench: the side-by-side benchmark. See bench/engines/engine.h for the programs that it runs."""

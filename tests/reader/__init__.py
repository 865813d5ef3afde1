"""A second reader of stores, written from SPEC.md alone. See tests/second_reader.py."""

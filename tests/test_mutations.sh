#!/bin/bash
# What tests/mutations.sh does to the sources still fits them: each mutation can be applied, and names tests that there are.
set -eu
exec "$(dirname "$0")/mutations.sh" --check

#!/bin/sh
# Writes the manual pages of the command and of each subcommand from what --help says.
#
#   tools/manpages.sh VARVE FOLDER
set -eu

varve=$1
folder=$2
here=$(dirname "$0")
version=$("$varve" --version | sed 's/^varve //')
mkdir -p "$folder"

# page NAME WHAT: its help comes in.
page() {
    awk -v name="$1" -v what="$2" -v version="$version" -v others="${others:-}" -f "$here/manpage.awk" >"$folder/$1.1.new"
    mv "$folder/$1.1.new" "$folder/$1.1"
}

others=$("$varve" help --list | cut -f 1 | xargs)
"$varve" --help | page varve 'keeps the sessions of AI agents in flat files'
"$varve" help --list | while IFS='	' read -r name _ what; do
    "$varve" "$name" --help | page "varve-$name" "$what"
done

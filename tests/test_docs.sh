#!/bin/bash
# The HTML pages are made without a warning, and have the calls, the architecture, the promises, what was tried and the format.
#
# Environment: BUILD the build tree, CMAKE.
set -eu
: "${BUILD:?}" "${CMAKE:?}"
if ! command -v doxygen >/dev/null; then
    echo 'skipped: no doxygen'
    exit 77
fi
"$CMAKE" --build "$BUILD" --target docs
cd "$BUILD/docs/html"
for page in md_docs_architecture md_docs_promises md_docs_proof md_SPEC varve_8h; do
    [ -s $page.html ] || {
        echo "FAILED: no page $page"
        exit 1
    }
done
grep -q 'Appends a batch: all or none of it' varve_8h.html
echo 'all as promised'

#!/usr/bin/env bash
# Takes Swagger UI and ReDoc from the npm registry, at these versions, into src/fastring/server/static, compressed.
set -euo pipefail
cd "$(dirname "$0")/.."
SWAGGER=5.35.0
REDOC=2.5.4
into=src/fastring/server/static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # name version: unpacks the package into $work/name
  (cd "$work" && npm pack --silent "$1@$2" >/dev/null && mkdir "$1" && tar xzf "$1-$2.tgz" -C "$1" --strip-components=1)
}
fetch swagger-ui-dist $SWAGGER
fetch redoc $REDOC
for file in swagger-ui-dist/swagger-ui-bundle.js swagger-ui-dist/swagger-ui.css redoc/bundles/redoc.standalone.js; do
  gzip -9n <"$work/$file" >"$into/$(basename $file).gz"
done
cp "$work/swagger-ui-dist/LICENSE" "$into/LICENSE.swagger-ui.txt"
cat "$work/swagger-ui-dist/NOTICE" >"$into/NOTICE.swagger-ui.txt"
cp "$work/swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt" "$work/redoc/bundles/redoc.standalone.js.LICENSE.txt" "$into/"
cp "$work/redoc/LICENSE" "$into/LICENSE.redoc.txt"

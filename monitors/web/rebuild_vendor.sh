#!/bin/sh
# Take the chart library from npm again, as it is: `make web`. The page itself has no build step.
set -eu
version=1.6.32
sha512=2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023
vendor=$(cd "$(dirname "$0")" && pwd)/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "uplot@$version" >/dev/null
echo "$sha512  uplot-$version.tgz" | sha512sum --check --quiet
tar -xzf "uplot-$version.tgz"
cp package/dist/uPlot.iife.min.js "$vendor/uplot.js"
cp package/dist/uPlot.min.css "$vendor/uplot.css"
cp package/LICENSE "$vendor/uplot.LICENSE"
echo "uPlot $version is in $vendor"

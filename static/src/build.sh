#!/bin/sh
# Builds static/app.css, static/app.js and static/widget.js from the sources in this folder. The results are committed: only who
# changes the front end needs Node. The same sources give the same bytes, so a rebuild that changes a file found a forgotten one.
set -eu
cd "$(dirname "$0")"

if ! cmp -s package-lock.json node_modules/.installed; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cp package-lock.json node_modules/.installed
fi

npx tsc --noEmit

# Basecoat ships its style as one file of 30 parts; five are used, and the other 25 would be two thirds of app.css.
{
	echo '@layer components {'
	awk '/^  \/\* .* \*\/$/ { keep = /\/\* (Button|Textarea|Input|Native Select|Checkbox) \*\// } keep' \
		node_modules/basecoat-css/dist/styles/nova.css
	echo '}'
} >node_modules/.nova.css
npx tailwindcss -i app.css -o ../app.css --minify 2>/dev/null

bundle() {
	source=$1 result=$2
	shift 2
	go tool esbuild "$source" --bundle --minify --charset=utf8 --log-level=warning --outfile="$result" "$@"
}
bundle app.ts ../app.js --target=es2022
# The widget carries its style sheet as text, which a bundler leaves as it is: it is made small first.
bundle widget/widget.css node_modules/.widget.css
bundle widget/widget.ts ../widget.js --target=es2020 --alias:widget.css=./node_modules/.widget.css

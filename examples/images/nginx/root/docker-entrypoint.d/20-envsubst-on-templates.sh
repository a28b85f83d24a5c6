#!/bin/sh
# /etc/nginx/templates/NAME.template becomes /etc/nginx/conf.d/NAME with the environment's variables filled in.
set -e
templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

[ -d "$templates" ] || exit 0
# Only variables that exist: nginx's own ($host, $uri) stay as they are.
names=$(env | sed -n "s/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\${\1}/p" | grep -E "${NGINX_ENVSUBST_FILTER:-}" | tr '\n' ' ')
find "$templates" -follow -type f -name "*$suffix" | while read -r template; do
	target=$output/${template#"$templates"/}
	target=${target%"$suffix"}
	mkdir -p "$(dirname "$target")"
	envsubst "$names" <"$template" >"$target"
done

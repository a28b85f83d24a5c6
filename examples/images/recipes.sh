# What make and load share: where the recipes and the cache are, and what each recipe says.
# Sourced by bash scripts; everything here is read by at least one of them.
# shellcheck shell=bash disable=SC2034

recipes_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${STAVE_IMAGE_CACHE:-/var/cache/stave/images}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# The distribution decides which packages there are, and so belongs to the hash of a recipe.
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
arch=$(uname -m)

# recipe_all: the names of all recipes, which are the names of their directories.
recipe_all() {
	local f
	for f in "$recipes_dir"/*/recipe; do
		f=${f%/recipe}
		echo "${f##*/}"
	done
}

# recipe_find NAME: the recipe of a recipe's or an image's name; "redis" and "redis:7-alpine" are the same.
recipe_find() {
	local r
	if [ -f "$recipes_dir/$1/recipe" ]; then
		echo "$1"
		return
	fi
	for r in $(recipe_all); do
		case " $(recipe_image "$r") $(recipe_get "$r" also) " in
		*" $1 "*)
			echo "$r"
			return
			;;
		esac
	done
	die "no recipe makes '$1'; there are: $(recipe_all | tr '\n' ' ')"
}

# recipe_get RECIPE KEY: the value of one `KEY VALUE...` line (all of them when it is said more than once).
recipe_get() {
	sed -n "s/^$2[ 	]\{1,\}//p" "$recipes_dir/$1/recipe" | tr '\n' ' ' | sed 's/ *$//'
}

recipe_image() {
	recipe_get "$1" image
}

# recipe_base RECIPE: the recipe whose tree this one continues (a `from NAME` line), if there is one.
recipe_base() {
	recipe_get "$1" from
}

# recipe_context RECIPE: the directory that a recipe copies an application from (a `context DIR FILE...` line says which
# files of which example), and which files.
recipe_context() {
	local dir
	dir=$(recipe_get "$1" context)
	echo "$recipes_dir/../${dir%% *}"
}

recipe_context_files() {
	local words
	words=$(recipe_get "$1" context)
	[ -n "$words" ] || return 0
	# shellcheck disable=SC2086
	(cd "$(recipe_context "$1")" && find ${words#* } -type f ! -path '*/__pycache__/*' ! -path '*/node_modules/*' | LC_ALL=C sort)
}

# recipe_hash RECIPE: changes whenever anything that goes into the image does.
recipe_hash() {
	local base
	base=$(recipe_base "$1")
	{
		echo "$suite $arch"
		if [ -n "$base" ]; then
			recipe_hash "$base"
		fi
		cd "$recipes_dir" || exit
		find "$1" recipes.sh make common -type f ! -name '*.md' ! -name changes | LC_ALL=C sort | hash_files
		recipe_context_files "$1" | (cd "$(recipe_context "$1")" && hash_files)
	} | sha256sum | cut -c1-16
}

# hash_files: of the files named on standard input, the names, the executable bits and the bytes.
hash_files() {
	local files
	mapfile -t files
	if [ ${#files[@]} -gt 0 ]; then
		find "${files[@]}" -printf '%p %M\n' | cut -d' ' -f1,2 | sed 's/ -..\(.\).*/ \1/'
		sha256sum "${files[@]}"
	fi
}

# recipe_file RECIPE: the cached root file system of the recipe as it is now, whether it exists or not.
recipe_file() {
	echo "$cache/$1-$(recipe_hash "$1").tar.zst"
}

# recipe_changes RECIPE: the image's configuration, one Dockerfile instruction a line.
recipe_changes() {
	grep -v -e '^[[:space:]]*#' -e '^[[:space:]]*$' "$recipes_dir/$1/changes"
}

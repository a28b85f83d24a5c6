# For bash scripts that make images whose `apt-get` reaches what the machine's own does.
# shellcheck shell=bash

# machine_apt DIR: the machine's package sources for its own suite, and its way to them, into DIR as into /etc/apt. Their names are
# written nowhere in this project: images with them are images for this machine.
machine_apt() {
	local suite file
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	mkdir -p "$1/sources.list.d" "$1/apt.conf.d"
	for file in sources.list $(cd /etc/apt && ls sources.list.d/*.list sources.list.d/*.sources 2>/dev/null); do
		if [ -f "/etc/apt/$file" ] && grep -q "^[^#]*\b$suite\b" "/etc/apt/$file" && grep -q '^[^#]*\bmain\b' "/etc/apt/$file"; then
			cp "/etc/apt/$file" "$1/$file"
		fi
	done
	apt-config dump | grep '^Acquire::' | grep -v -e '^Acquire::IndexTargets' -e '^Acquire::Languages' -e '^Acquire::Changelogs' \
		-e '^Acquire::cdrom' -e '""' >"$1/apt.conf.d/90machine" || true
}

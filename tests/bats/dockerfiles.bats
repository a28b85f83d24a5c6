# Each Dockerfile of tests/build: the image is what is written down, and the same when it is built again. The comparison with buildah takes
# longer and is made by `tests/build/run` itself.
load helper

setup_more() {
	export BATS_TEST_TIMEOUT=600 # one test, some eighty builds twice
}

@test "the Dockerfiles of all instructions and of the documents become the images that are written down" {
	run "$BATS_TEST_DIRNAME/../build/run" --no-peer --stave "$(realpath "$STAVE")"
	echo "$output"
	[ "$status" = 0 ]
	[[ "${lines[-1]}" =~ ^([0-9]+)\ of\ ([0-9]+)\ Dockerfiles ]]
	[ "${BASH_REMATCH[1]}" -ge 70 ]
}

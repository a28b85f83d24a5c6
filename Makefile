# A thin front for meson and ninja: what people and the CI type.
#
#   make            build to build/stave
#   make demo       install what is missing, build, and bring up the demo stack
#   make check      install what is missing, build with warnings as errors, run every test
#   make fuzz       each fuzz target for FUZZ_SECONDS (60) under ASan and UBSan, with clang
#   make install    DESTDIR and PREFIX as usual; COMPOSE_LINK=1 adds a docker-compose link
#   make clean      remove the build directories

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build

.PHONY: all demo check fuzz install clean

# The program alone: its tests are more than half of what there is to compile, and `make check` builds those.
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) stave

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix $(PREFIX)

demo:
	@scripts/deps
	@$(MAKE) --no-print-directory all
	@scripts/demo

check:
	@scripts/deps
	@scripts/check

FUZZ_SECONDS ?= 60

fuzz:
	@scripts/deps
	@scripts/fuzz $(FUZZ_SECONDS)

install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)
ifneq ($(COMPOSE_LINK),)
	ln -sf stave $(DESTDIR)$(PREFIX)/bin/docker-compose
endif

# The directories hold nothing but what a build makes; tests keep their state elsewhere.
clean:
	rm -rf --one-file-system build build-check build-asan build-clang build-fuzz

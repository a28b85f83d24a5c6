# A thin front for meson and ninja: what people and the CI type.
#
#   make            build to build/stave
#   make demo       install what is missing, build, and bring up the demo stack
#   make check      install what is missing, build with warnings as errors, run every test
#   make stacks     every command of the five documents, in every environment: a table (STACKS="001 004" for some)
#   make fuzz       each fuzz target for FUZZ_SECONDS (60) under ASan and UBSan, with clang
#   make install    DESTDIR and PREFIX as usual; COMPOSE_LINK=1 adds a docker-compose link, DOCKER_LINK=1 a docker link,
#                   COMPOSE_PLUGIN=1 makes it what Docker's CLI runs for `docker compose`
#   make uninstall   removes what install put there (same DESTDIR and PREFIX); images, volumes and projects stay
#   make clean      remove the build directories

PREFIX ?= /usr/local
DESTDIR ?=
# Where Docker's CLI looks for plugins of all users.
PLUGINS ?= $(PREFIX)/lib/docker/cli-plugins
BUILD ?= build

.PHONY: all demo check stacks fuzz install uninstall clean

# The program alone: its tests are more than half of what there is to compile, and `make check` builds those.
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) product

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix $(PREFIX)

demo:
	@scripts/deps
	@$(MAKE) --no-print-directory all
	@scripts/demo

check:
	@scripts/deps
	@scripts/check

STACKS ?=

stacks:
	@scripts/deps
	@$(MAKE) --no-print-directory all
	@scripts/stacks $(STACKS)

FUZZ_SECONDS ?= 60

fuzz:
	@scripts/deps
	@scripts/fuzz $(FUZZ_SECONDS)

install: $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD) product
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild
ifneq ($(COMPOSE_LINK),)
	ln -sf stave $(DESTDIR)$(PREFIX)/bin/docker-compose
endif
ifneq ($(DOCKER_LINK),)
	ln -sf stave $(DESTDIR)$(PREFIX)/bin/docker
endif
ifneq ($(COMPOSE_PLUGIN),)
	mkdir -p $(DESTDIR)$(PLUGINS)
	ln -sf $(PREFIX)/bin/stave $(DESTDIR)$(PLUGINS)/docker-compose
endif

# Links only if they are ours.
uninstall:
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) ninja -C $(BUILD) uninstall
	@for link in $(DESTDIR)$(PREFIX)/bin/docker-compose $(DESTDIR)$(PREFIX)/bin/docker $(DESTDIR)$(PLUGINS)/docker-compose; do \
		case "$$(readlink "$$link" 2>/dev/null)" in stave | $(PREFIX)/bin/stave) rm -v "$$link" ;; esac; \
	done

# The directories hold nothing but what a build makes; tests keep their state elsewhere.
clean:
	rm -rf --one-file-system build build-check build-asan build-clang build-fuzz

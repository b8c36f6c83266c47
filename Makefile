# The front door. Meson does the work; every target first installs what it needs and sets its build directory up.

PORT ?= 6379
PREFIX ?= /usr/local
MAKEFLAGS += --no-print-directory

.PHONY: run build test bench bench-eviction lint format asan tsan fuzz soak install clean help

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## builds the server and starts it on port 6379 (PORT=...)
	exec build/release/larder-server --port $(PORT)

build: ## builds the release: build/release/larder-server
	@tools/setup.sh build
	@tools/configure.sh release
	@ninja -C build/release --quiet

test: ## sets up and runs every test, under the sanitizers too
	@tools/setup.sh test
	@python3 tools/run_tests.py

bench: build ## measures against redis-server, writes bench/results/
	@tools/setup.sh bench
	@python3 bench/run.py $(BENCH_ARGS)

bench-eviction: build ## hit ratios of the eviction policies on traces, writes bench/results/eviction.*
	@python3 bench/eviction.py

lint: ## formatting and static checks, without changing anything
	@tools/setup.sh lint
	@tools/configure.sh lint
	@tools/lint.sh

format: ## formats the sources
	@tools/setup.sh lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

asan: ## builds under the address and undefined-behaviour sanitizers: build/asan
	@tools/setup.sh test
	@tools/configure.sh asan
	@ninja -C build/asan --quiet

tsan: ## builds under the thread sanitizer: build/tsan
	@tools/setup.sh test
	@tools/configure.sh tsan
	@ninja -C build/tsan --quiet

fuzz: ## fuzzes each target for FUZZ_SECONDS (default 60)
	@tools/setup.sh fuzz
	@tools/configure.sh fuzz
	@ninja -C build/fuzz --quiet
	@tools/fuzz.sh $(or $(FUZZ_SECONDS),60)

soak: ## everything at once, for SOAK_SECONDS (default 600) in each of SOAK_BUILDS (default: release asan tsan)
	@tools/setup.sh test
	@python3 tools/run_tests.py soak

install: build ## installs server, library and header under PREFIX (default /usr/local)
	@meson configure build/release --prefix $(PREFIX)
	@meson install -C build/release

clean: ## removes everything that was built
	rm -rf build

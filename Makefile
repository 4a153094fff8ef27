# The commands of the house. `make help` lists them; each installs what it needs first (Debian 12, apt).
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

BUILD ?= build
SEEDS ?= 2000
MINUTES ?= 10
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
SETUP := juxmem/packaging/setup.sh
CONFIGURE = cmake -S . -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX)
QUIET_CONFIGURE = $(CONFIGURE) --log-level=WARNING

.PHONY: help setup build run test bench chaos wan sim mutants asan tsan fuzz format tidy install clean

help: ## this list
	@echo "JuxMem: shared, replicated memory for the jobs of a grid"
	@echo
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16 | sed 's/^/  make /'
	@echo
	@echo "First time here: make run, then README.md."

setup: ## install what is missing (apt; prints the command if it may not)
	@$(SETUP)

build: setup ## compile everything into ./build
	@$(QUIET_CONFIGURE) -B $(BUILD)
	@ninja -C $(BUILD) --quiet

run: build ## heat diffusion over the world's outlines: a grid, two MPI jobs, providers and then the whole grid killed meanwhile
	@$(BUILD)/bin/heat_run

test: ## everything that .ci/run checks (about 40 minutes on 2 cores)
	@$(SETUP) fuzz
	@$(QUIET_CONFIGURE) -B $(BUILD) -DJUXMEM_WERROR=ON -DJUXMEM_TESTS=ON
	@ninja -C $(BUILD) --quiet
	@cd $(BUILD) && ctest --output-on-failure -j2

bench: ## measure against the floor and against peers (BENCHMARKS.md)
	@$(SETUP) bench
	@$(QUIET_CONFIGURE) -B $(BUILD)
	@ninja -C $(BUILD) --quiet
	@$(BUILD)/bin/stream_bench
	@$(BUILD)/bin/log_bench $(BUILD)
	@$(BUILD)/bin/section_bench
	@python3 tests/wan/wan_bench.py $(BUILD)/bin
	@$(BUILD)/bin/disk_bench --folder $(BUILD)
	@$(BUILD)/bin/recovery_bench --out $(BUILD)/bench
	@$(BUILD)/bin/recovery_bench --out $(BUILD)/bench --coordinator

chaos: setup ## real processes, faults of all kinds, a judged history: make chaos MINUTES=10 [SEED=n]
	@$(QUIET_CONFIGURE) -B $(BUILD) -DJUXMEM_TESTS=ON
	@ninja -C $(BUILD) --quiet juxmemd juxmem_cli chaos_client chaos_check
	@python3 tests/chaos/chaos.py $(BUILD)/bin --minutes $(MINUTES) $${SEED:+--seed $$SEED}

wan: setup ## measure a grid whose sites are 20 ms apart (needs root): bytes across, commits, reads
	@$(QUIET_CONFIGURE) -B $(BUILD)
	@ninja -C $(BUILD) --quiet juxmemd juxmem_cli section_tool wan_relay
	@python3 tests/wan/wan_bench.py $(BUILD)/bin

sim: build ## simulate SEEDS grids with faults: make sim SEEDS=100000
	@$(BUILD)/tests/sim/sim --seeds $(SEEDS)

mutants: setup ## put known bugs in; the simulators must find every one
	@python3 tests/mutants/mutants.py $(BUILD)-mutants

asan: ## unit tests under the address and undefined behaviour sanitizers
	@$(SETUP) fuzz
	@tests/sanitizers/run.sh address $(BUILD)-asan

tsan: ## the tests with threads under the thread sanitizer
	@$(SETUP) fuzz
	@tests/sanitizers/run.sh thread $(BUILD)-tsan

fuzz: ## fuzz every decoder; SECONDS_EACH=60
	@$(SETUP) fuzz
	@tests/fuzz/run.sh $${SECONDS_EACH:-60} $(BUILD)-fuzz

format: ## lay out all sources with clang-format
	@$(SETUP) format
	@git ls-files '*.h' '*.cc' '*.c' | xargs clang-format-19 -i

tidy: ## the rules of the house (layers, sizes, ...) and clang-tidy; CHECKS='clang-analyzer-*' takes five times as long
	@$(SETUP) tidy
	@$(QUIET_CONFIGURE) -B $(BUILD)
	@ninja -C $(BUILD) --quiet
	@python3 tests/tidy/tidy_test.py
	@git ls-files 'apps/*.cc' 'juxmem/*.cc' 'groups/*.cc' 'consistency/*.cc' | xargs -P $(JOBS) -n 4 clang-tidy-19 -p $(BUILD) --quiet $${CHECKS:+--checks="-*,$$CHECKS"}

install: build ## into PREFIX (default /usr/local; DESTDIR is respected)
	@cmake --install $(BUILD) --prefix $(PREFIX)
	@if [ "$$(id -u)" = 0 ] && [ -z "$${DESTDIR:-}" ]; then ldconfig; fi

clean: ## remove what was built
	@rm -rf $(BUILD) $(BUILD)-mutants $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz out

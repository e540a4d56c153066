# fcbus: `make run` for the first five minutes, `make test` for everything that must hold.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c

SWIFT ?= swift
PREFIX ?= /usr/local
PORT ?= 1883
SECONDS_OF_FUZZ ?= 60
POWER_CUT_SEEDS ?= 2000
CRASH_SEEDS ?= 20000
MUTANTS ?= 2000
RELEASE := .build/release/fcbus
DEBUG := .build/debug/fcbus
PYTHON_PACKAGES := .build/python
COUNT_PROBE := .build/count-probe
TEST_LOG := .build/test.log
# What is released leaves out the checks while running that no two accesses of a variable overlap: an eighth of the
# instructions of a call. Tests, simulations and fuzzers run with them.
RELEASE_BUILD := build -c release --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked
PROCESS_TESTS := InteroperationTests|FunctionHostTests

BUILD_PACKAGES := libmosquitto-dev libsqlite3-dev pkg-config python3 mosquitto-clients
TEST_PACKAGES := $(BUILD_PACKAGES) mosquitto ejabberd openssl python3-pip strace
BENCH_PACKAGES := $(BUILD_PACKAGES) mosquitto nats-server

.PHONY: help run test build bench bench-sdk torture torture-store fuzz install lint conformance pages packages test-packages bench-packages clean

help:
	@echo "make run      build fcbus, start broker, host and example functions (PORT=1883)"
	@echo "make test     build and run every test"
	@echo "make torture  put the broker under abuse, load and crashes (forty minutes)"
	@echo "make torture-store  only power cuts and damage of the store, thousands of each"
	@echo "make bench    measure the broker beside Debian's mosquitto and nats-server (ten minutes)"
	@echo "make fuzz     run the broker under libFuzzer (SECONDS_OF_FUZZ=60)"
	@echo "make build    build the release binary ($(RELEASE))"
	@echo "make install  install it below PREFIX (default $(PREFIX))"
	@echo "make lint     check the format of the sources"
	@echo "make conformance  write Documentation/conformance.md anew"
	@echo "make pages    write the examples of Documentation/sdk.md and the table of Documentation/guarantees.md anew"

run: build
	@exec Examples/run.sh $(RELEASE) $(PORT)

build: packages
	@$(SWIFT) $(RELEASE_BUILD) --product fcbus

test: test-packages lint
	@$(SWIFT) build --build-tests
	# Allocations are counted in release builds of the pure core and the SDK; valgrind reads no debug information of ours.
	$(SWIFT) $(RELEASE_BUILD) --product CountProbe
	strip -o $(COUNT_PROBE) .build/release/CountProbe
	$(SWIFT) $(RELEASE_BUILD) --product SDKProbe
	export FCBUS_BINARY="$$PWD/$(DEBUG)" FCBUS_TEST_PYTHONPATH="$$PWD/$(PYTHON_PACKAGES)"
	export FCBUS_COUNT_PROBE="$$PWD/$(COUNT_PROBE)" FCBUS_SDK_PROBE="$$PWD/.build/release/SDKProbe"
	rm -f $(TEST_LOG)
	run() { $(SWIFT) test --skip-build "$$@" 2>&1 | tee -a $(TEST_LOG); }
	# Tests that start programs take turns: side by side they would measure how busy the machine is.
	if ! run --skip '$(PROCESS_TESTS)' || ! run --no-parallel --filter '$(PROCESS_TESTS)'; then
	    # What failed stands last, where a reader of a long log looks first.
	    printf '\n== what failed (all of it: %s)\n' "$(TEST_LOG)"
	    grep -a -A 12 -E 'recorded an issue|^error:|Fatal error|unexpected signal' $(TEST_LOG) |
	        grep -a -v -E 'Test case passing|(Test|Suite) .* (started|passed)' | cut -c 1-600 | tail -n 60
	    exit 1
	fi

lint:
	@$(SWIFT) format lint --strict --recursive --parallel --configuration .swift-format Sources Tests Fuzz/Package.swift \
	    Fuzz/Sources/BrokerFuzzer Package.swift

conformance:
	@FCBUS_WRITE_CONFORMANCE=1 $(SWIFT) test --filter StatementTests

pages: test-packages
	@$(SWIFT) build --product fcbus
	FCBUS_BINARY="$$PWD/$(DEBUG)" FCBUS_WRITE_PAGES=1 $(SWIFT) test --filter 'PageExampleTests/page|GuaranteeTests'

bench: build bench-packages
	@$(RELEASE) bench --standard --against mosquitto --against nats
	# What acknowledged means on disk costs others; few messages, since the whole store is written for each.
	$(RELEASE) bench commit --count 2000 --window 100 --size 256 --rounds 1 --against mosquitto --against mosquitto-saving

# What the SDK adds to libmosquitto, for each call and message; two minutes.
bench-sdk: build
	@$(SWIFT) $(RELEASE_BUILD) --product SDKProbe
	@.build/release/SDKProbe $(RELEASE)

# Every row of abuse, load and durability, the long ones too: about twenty minutes. Then power cuts and damage of the
# store, thousands of each: as long again.
torture: build test-packages
	@PYTHONPATH=$(PYTHON_PACKAGES) python3 Tests/Torture/torture.py $(RELEASE)
	$(MAKE) torture-store

torture-store: test-packages
	@$(SWIFT) build --build-tests
	export FCBUS_POWER_CUT_SEEDS=$(POWER_CUT_SEEDS) FCBUS_CRASH_SEEDS=$(CRASH_SEEDS) FCBUS_MUTANTS=$(MUTANTS)
	$(SWIFT) test --skip-build --filter 'PowerCut|CrashTests|DamageTests|RepairTests'

# Finds new inputs below .build/fuzz, and stops at the first that breaks something.
fuzz:
	@mkdir -p .build/fuzz/corpus
	$(SWIFT) build --package-path Fuzz --scratch-path .build/fuzz/build -c release --product BrokerFuzzer
	.build/fuzz/build/release/BrokerFuzzer -max_total_time=$(SECONDS_OF_FUZZ) -max_len=2000 -print_final_stats=1 \
	    -artifact_prefix=.build/fuzz/ .build/fuzz/corpus Fuzz/Seeds

install: build
	@install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/fcbus" "$(DESTDIR)$(PREFIX)/share/doc/fcbus"
	install -s -m 755 $(RELEASE) "$(DESTDIR)$(PREFIX)/bin/fcbus"
	cp -R Sources/FunctionHost/Python "$(DESTDIR)$(PREFIX)/share/fcbus/python"
	cp -R broker-config "$(DESTDIR)$(PREFIX)/share/fcbus/"
	cp README.md "$(DESTDIR)$(PREFIX)/share/doc/fcbus/"

# Debian packages are installed only when one is missing, with sudo where we are not root.
define install_packages
	@missing=()
	for package in $(1); do
	    [[ "$$(dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null)" == *"install ok installed" ]] || missing+=("$$package")
	done
	if (($${#missing[@]})); then
	    echo "installing $${missing[*]}" >&2
	    sudo=''; [[ $$(id -u) == 0 ]] || sudo=sudo
	    $$sudo apt-get update -qq
	    # The brokers among them are started by the tests, on ports of their own: as services they would take 1883.
	    policy=/usr/sbin/policy-rc.d
	    if [[ ! -e $$policy ]]; then
	        trap "$$sudo rm -f $$policy" EXIT
	        printf '#!/bin/sh\nexit 101\n' | $$sudo tee $$policy >/dev/null
	        $$sudo chmod 755 $$policy
	    fi
	    DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null
	fi
endef

packages:
	$(call install_packages,$(BUILD_PACKAGES))

test-packages:
	$(call install_packages,$(TEST_PACKAGES))
	if [[ ! -d $(PYTHON_PACKAGES)/paho ]]; then
	    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	        --target $(PYTHON_PACKAGES) 'paho-mqtt>=2,<3'
	fi

bench-packages:
	$(call install_packages,$(BENCH_PACKAGES))

clean:
	@rm -rf .build

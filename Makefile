# `make` or `make help` lists the targets. `make run` and `make test` are all that a newcomer needs; both set up the
# environment in .venv themselves and need nothing else. What needs the real kube-apiserver builds it, with Go, once per
# version, in a cache outside of the checkout.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
ARGS ?=
# Which API server: the embedded one, or the real one. Not from the environment, where the name may mean anything.
SERVER := embedded
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := api boot_operator controller_runtime controllers machines webserver
CODE := $(PACKAGES) examples hack bench tests

ifeq ($(filter embedded kubernetes,$(SERVER)),)
$(error SERVER=$(SERVER) is no API server: write SERVER=embedded or SERVER=kubernetes)
endif
# What has to be there for it.
SERVER_PARTS := $(if $(filter kubernetes,$(SERVER)),envtest)

##@ Start here

.PHONY: help
help: ## Explain the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_.-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' \
	  <(sed 's/^$$(VENV):/$(VENV):/' $(MAKEFILE_LIST))

.PHONY: run
run: $(VENV) $(SERVER_PARTS) ## Run the operator with samples on the embedded API server, or on the real one (SERVER=kubernetes); flags of the program in ARGS="...".
	@export ENVTEST_SERVER=$(SERVER) KUBEBUILDER_ASSETS="$$(hack/build-envtest --find)"; \
	exec $(BIN)/python hack/run.py $(ARGS)

.PHONY: test
test: test-unit test-integration ## Unit tests, and integration tests on the embedded API server; on the real one too, where it was built.
	@if hack/build-envtest --find >/dev/null; then $(MAKE) test-integration SERVER=kubernetes; \
	else echo "The real API server has not been built here: \`make test-real\` builds it and runs the integration tests on it."; fi

##@ Tests

.PHONY: test-unit
test-unit: $(VENV) ## Tests without an API server.
	$(BIN)/pytest tests/unit $(ARGS)

# Without kubectl, which is built together with the real server, what needs it is left out, and said to be.
.PHONY: test-integration
test-integration: $(VENV) $(SERVER_PARTS) ## Tests on an API server, the embedded one or SERVER=kubernetes.
	@assets=$$(hack/build-envtest --find) || without=--without-kubectl; \
	set -x; ENVTEST_SERVER=$(SERVER) KUBEBUILDER_ASSETS="$$assets" $(BIN)/pytest tests/integration $${without:-} $(ARGS)

.PHONY: test-real
test-real: ## Build the real kube-apiserver where it is not there, and run every integration test on it.
	@$(MAKE) test-integration SERVER=kubernetes

.PHONY: test-e2e
test-e2e: $(VENV) envtest e2e-parts ## Whole processes on the real API server: firmware that boots, a DHCP server's client, failures.
	ENVTEST_SERVER=kubernetes KUBEBUILDER_ASSETS="$$(hack/build-envtest)" $(BIN)/pytest tests/e2e $(ARGS)

.PHONY: boot-demo
boot-demo: $(VENV) envtest e2e-parts ## Boot a virtual machine from the operator on this terminal.
	@ENVTEST_SERVER=kubernetes KUBEBUILDER_ASSETS="$$(hack/build-envtest)" exec $(BIN)/python -m hack.boot_demo $(ARGS)

# The faults of 20,000 seeds; the unit tests run 2,000. A seed that breaks a law is named, with what led to it.
SEEDS := 20000
START := 0
.PHONY: simulate-election
simulate-election: $(VENV) ## Simulate leader election under faults, on virtual time; SEEDS=20000 of them from START=0 on.
	@exec $(BIN)/python -m tests.unit.leaderelection.simulation --seeds $(SEEDS) --start $(START)

# The full run has 100,000 operations; a shorter one, which CI does, has as many as its time allows. Without SEED it takes
# another one each time, and names it. On the real API server, unless SERVER is given.
MINUTES := 10
SECONDS = $(shell echo $$(($(MINUTES) * 60)))
SEED :=
SOAK_SERVER := $(if $(findstring command,$(origin SERVER)),$(SERVER),kubernetes)
.PHONY: soak
soak: $(VENV) $(if $(filter kubernetes,$(SOAK_SERVER)),envtest) ## Writes, faults and restarts around an operator, then compare all it knows; MINUTES=10, or SECONDS=60, and SEED=1.
	@export ENVTEST_SERVER=$(SOAK_SERVER) KUBEBUILDER_ASSETS="$$(hack/build-envtest --find)"; \
	exec $(BIN)/python -m tests.soak --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: $(VENV) envtest e2e-parts ## Measure the boot path under load; options in ARGS="...".
	@ENVTEST_SERVER=kubernetes KUBEBUILDER_ASSETS="$$(hack/build-envtest)" exec $(BIN)/python -m bench.storm $(ARGS)

.PHONY: bench-library
bench-library: $(VENV) envtest ## Measure the library beside Go's controller-runtime and kopf, some 15 minutes; options in ARGS="...".
	@KUBEBUILDER_ASSETS="$$(hack/build-envtest)" exec $(BIN)/python -m bench.library $(ARGS)

.PHONY: bench-apiserver
bench-apiserver: $(VENV) ## Measure the embedded API server; options in ARGS="...".
	@exec $(BIN)/python -m bench.apiserver $(ARGS)

##@ Code

.PHONY: check
check: $(VENV) ## Everything that can be known without running it: style, types, layers, generated files, packaging.
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(PACKAGES) examples hack bench
	$(BIN)/lint-imports --no-cache
	$(BIN)/vulture
	$(BIN)/python hack/manifests.py --check
	$(BIN)/python hack/check_requirements.py
	$(BIN)/python hack/check_wheel.py

.PHONY: fmt
fmt: $(VENV) ## Format the code and mend what ruff can mend.
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: manifests
manifests: $(VENV) ## Generate the CRDs and RBAC rules in config/ from the types.
	$(BIN)/python hack/manifests.py

.PHONY: requirements
requirements: $(VENV) ## Pin the dependencies anew, with hashes; UPGRADE=1 takes the newest versions.
	@for set in run dev; do \
	  extra=""; if [ $$set = dev ]; then extra="--extra dev"; fi; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-emit-find-links --allow-unsafe $(if $(UPGRADE),--upgrade) $$extra pyproject.toml -o requirements/$$set.txt >/dev/null; \
	done

##@ Parts (made on demand by the targets above)

# The environment, pinned by requirements/dev.txt, with the console scripts boot-operator and bootctl.
$(VENV): $(VENV)/.complete ## The Python environment.
.PHONY: $(VENV)

# The programs in it begin with the checkout's path: one that was moved, or copied with its environment, needs another.
ifneq ($(file <$(VENV)/.complete),$(CURDIR))
.PHONY: $(VENV)/.complete
endif

# One shell under a lock: two first commands at once, in two terminals, must not install into each other's environment.
# The second --quiet keeps a warning about editable installs off the newcomer's screen; errors are still shown.
$(VENV)/.complete: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than 3.11; name another one: make PYTHON=python3.12" >&2; exit 1; }; \
	exec {lock}<pyproject.toml; flock $$lock; \
	made_for=$$(cat $@ 2>/dev/null || true); \
	if [[ $@ -nt requirements/dev.txt && $@ -nt pyproject.toml && $$made_for == "$(CURDIR)" ]]; then exit; fi; \
	echo "Installing the Python environment into $(VENV), once; half a minute and more ..." >&2; \
	if [[ -n $$made_for && $$made_for != "$(CURDIR)" ]]; then rm -rf $(VENV); fi; \
	$(PYTHON) -m venv $(VENV); \
	$(BIN)/pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r requirements/dev.txt | \
	  awk -v most="$$(grep -c '^[a-z].*==' requirements/dev.txt)" \
	    '/^Collecting / && ++found % 10 == 0 {print "  " found " of at most " most " packages found"; fflush()} \
	     /^Installing collected/ {print "  all are here, unpacking them"; fflush()}' >&2; \
	$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .; \
	printf '%s\n' "$(CURDIR)" >$@

.PHONY: envtest
envtest: ## kube-apiserver, etcd, kube-controller-manager and kubectl; built once per version, some minutes.
	@hack/build-envtest >/dev/null

.PHONY: e2e-parts
e2e-parts: ## QEMU, iPXE, a kernel, wrk, curl and openssl from Debian's packages.
	@hack/install-e2e-parts

.PHONY: clean
clean: ## Remove what was built in the checkout; the cache outside of it stays.
	rm -rf $(VENV) .run build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

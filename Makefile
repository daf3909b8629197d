# make up      serve the MCP servers of this machine        make test    everything the tests need, and the tests
# make check   style, types, layers                          make bench   measurements, with what they are compared with
# make soak    load, with everything going wrong around it
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$p" && break; done)
PIP := $(BIN)/pip --disable-pip-version-check --quiet
PARTS := .parts/npm/.ready .parts/servers/.ready .parts/mcp1/.ready .parts/conformance/.ready

# What tests need of the machine itself, as Debian names it.
PACKAGES := bubblewrap podman runc

.PHONY: up test check bench soak lifecycle docs conformance fuzz clean parts packages
.DELETE_ON_ERROR:

up: $(VENV)/.installed
	@exec $(BIN)/toolgate up $(ARGS)

test: packages parts
	@$(BIN)/python -m tests.run $(ARGS)

check: $(VENV)/.dev .parts/mcp1/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy --python-executable .parts/mcp1/bin/python --cache-dir .mypy_cache/mcp1 $(wildcard tests/parts/mcp1/*.py)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.dev
	@$(BIN)/python -m bench.soak $(ARGS)

# 10,000 starts, stops, crashes and kills of 50 servers with 200 callers; nothing may be left.
lifecycle: $(VENV)/.dev
	@$(BIN)/python -m bench.lifecycle $(ARGS)

docs: $(VENV)/.dev
	@$(BIN)/pytest tests/docs $(ARGS)

conformance: $(VENV)/.dev .parts/conformance/.ready
	@$(BIN)/python -m tests.conformance.run $(ARGS)

# Ten CPU minutes of other dice each time; a failure names its seed. pytest would keep every line that is logged.
fuzz: $(VENV)/.dev
	@TOOLGATE_FUZZ_SECONDS=$(or $(TOOLGATE_FUZZ_SECONDS),600) \
		TOOLGATE_FUZZ_SEED=$(or $(TOOLGATE_FUZZ_SEED),$(shell date +%s)) $(BIN)/pytest tests/fuzz $(ARGS)

clean:
	rm -rf $(VENV) .parts dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache

# For root alone: others are told by the tests what is missing.
packages:
	@command -v dpkg-query >/dev/null && test "$$(id -u)" -eq 0 || exit 0; \
	for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || missing="$$missing $$package"; \
	done; \
	test -z "$$missing" || { echo "installing$$missing"; apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $$missing >/dev/null; }

# The environments have nothing to do with each other, so they are made side by side.
parts:
	@$(MAKE) --no-print-directory -j4 $(VENV)/.dev $(PARTS)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Toolgate needs Python 3.11 or newer, and no python3 here is that new." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The first that knows dependency groups. Before all else, since the others run while this one would replace itself.
$(VENV)/.pip: | $(BIN)/python
	@$(PIP) install 'pip>=25.1'
	@touch $@

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing Toolgate into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml tests/parts/dev.txt | $(VENV)/.pip
	@echo "installing Toolgate and the tools of its developers into $(VENV)"
	@$(PIP) install --editable . --group dev --constraint tests/parts/dev.txt
	@touch $@ $(VENV)/.installed

# The pins name every package, so there is nothing to resolve; what runs compiles itself.
.parts/%/.ready: tests/parts/%.txt | $(VENV)/.pip
	@echo "installing the test parts $*"
	@test -x .parts/$*/bin/python || $(PYTHON) -m venv --without-pip .parts/$*
	@$(PIP) --python .parts/$*/bin/python install --no-deps --no-compile --requirement $<
	@touch $@

.parts/npm/.ready .parts/conformance/.ready: .parts/%/.ready: \
		tests/parts/%/package.json tests/parts/%/package-lock.json tests/parts/%/.npmrc
	@echo "installing the test parts $*"
	@mkdir -p .parts/$*
	@cp $^ .parts/$*/
	@cd .parts/$* && npm ci --ignore-scripts
	@touch $@

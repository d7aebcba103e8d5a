# Everything a person runs. `make quickstart` is the way in; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
MAIN = $(RUN) -m v2a_lightning
# How many seeds a study runs, and further options of it, e.g. `make ablation-mapper SEEDS=2`.
SEEDS ?= 5
ARGS ?=

STUDIES = ablation-aggregation ablation-mapper ablation-guidance ablation-schedule ablation-steps domain-gap \
          interpolation direct-baseline generalization failure-cases table1 training-length

# As `python -m v2a_lightning` sets it, for the tests too.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 3000

.DEFAULT_GOAL := help
.PHONY: help install quickstart test test-full fuzz faults lint site house benchmark miniature clean $(STUDIES)

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-22s %s\n", $$1, $$2 }'
	@printf '  %-22s %s\n' $(foreach study,$(STUDIES),$(study) "a study of the paper; see experiments/README.md")

# Made again when what it installs changes. The newest pip shows how far it is while it unpacks, too.
$(VENV)/.installed: pyproject.toml .ci/constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade -c .ci/constraints.txt pip
	$(RUN) -m pip install -c .ci/constraints.txt -e '.[test,docs]'
	touch $@

install: $(VENV)/.installed ## make .venv and install the tested set of packages

quickstart: install ## train, hear and score a mapper on the miniature world
	$(MAIN) fit --config experiments/quickstart.yaml $(ARGS)

# A file of tests stays in one process, and a process in one thread: threads of two would wait for each other. The files
# that take longest begin (tests/conftest.py), so that all processes end at about the same time.
test: install ## the tests, in as many processes as there are cores
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-full: install ## the tests with full-size models too: many minutes, up to 20 GB of memory
	$(RUN) -m pytest -m 'full or not full' --timeout 3600 $(ARGS)

# Cases of each reader.
FUZZ ?= 100000

fuzz: install ## every reader of files on 100,000 damaged ones; FUZZ=1000 for fewer
	V2A_FUZZ_EXAMPLES=$(FUZZ) $(RUN) -m pytest tests/fuzz --timeout 0 $(ARGS)

faults: install ## kills, full disks, lost processes and damaged data, as one table: 40 minutes on two cores
	$(RUN) experiments/benchmarks/faults $(ARGS)

lint: install ## ruff, and mypy on the library
	$(RUN) -m ruff check .
	$(RUN) -m mypy

site: install ## the pages of docs/ as a site in site/; a warning is an error
	$(RUN) -m mkdocs build --strict

house: install ## how the code is built, measured and written into docs/HOUSE.md
	$(RUN) -m experiments.benchmarks.house

benchmark: install ## how fast it is against what else there is, into docs/BENCHMARKS.md: 30 minutes on two cores
	$(RUN) -m experiments.benchmarks.speed $(ARGS)

miniature: install ## train the miniature's small foundation models again
	$(MAIN) miniature train $(ARGS)

$(STUDIES): install
	$(MAIN) experiment $@ --seeds $(SEEDS) $(ARGS)

clean: ## remove what running the project made, but not .venv
	rm -rf runs data site dist build .pytest_cache .ruff_cache .mypy_cache

# Every study, what it found written into docs/results, with the floor in every table of distances, and the paper's
# orderings over them: hours on two cores.
.PHONY: studies
studies: install ## every study, written into docs/results
	status=0; for study in floor $(STUDIES) orderings; do \
	  $(MAIN) experiment $$study --seeds $(SEEDS) --write true $(ARGS) || status=1; done; exit $$status

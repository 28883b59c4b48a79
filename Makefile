# make demo    set everything up and show MailGuard at work on real mail
# make test    set everything up and run the tests
# make lint    ruff, mypy --strict, import-linter
# make serve   run it here, with the configuration in MAILGUARD_CONFIG or /etc/mailguard/mailguard.toml
# make bench   measure the relay beside bare aiosmtpd and the bare sink
# make fuzz    feed what strangers write to with atheris: SECONDS=60 each, TARGETS="smtp_session message"
# make soak    load the service with clients that hang up and a next hop that fails, for MINUTES=30
# make lock    write constraints.txt anew from what is installed
# make install     as root: install it as a system service, or upgrade the one that is installed
# make uninstall   as root: remove it again; evidence, configuration and backups stay

.PHONY: demo test lint serve bench fuzz soak lock install uninstall
MAKEFLAGS += --no-print-directory

demo:
	@scripts/bootstrap
	@.venv/bin/mailguard demo

test:
	@scripts/bootstrap --tests
	@.venv/bin/pytest -n 3 --dist worksteal $(ARGS)

lint:
	@scripts/bootstrap --tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

serve:
	@scripts/bootstrap
	@.venv/bin/mailguard serve

bench:
	@scripts/bootstrap --tests
	@.venv/bin/python bench/relay.py $(ARGS)

SECONDS ?= 60
TARGETS ?= smtp_session data_reader reply_reader introductions milter message fold look any_file readers_in_python readers_in_c
fuzz:
	@scripts/bootstrap --tests
	@.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/python -m pip install -qq --editable ".[fuzz]"
	@for target in $(TARGETS); do \
		.venv/bin/python tests/fuzz/run.py $$target $(SECONDS) .cache/fuzz || exit 1; \
	done

MINUTES ?= 30
soak:
	@scripts/bootstrap --tests
	@.venv/bin/python bench/soak.py --minutes $(MINUTES) --cache .cache/rules $(ARGS)

lock:
	@{ sed -n '/^#/p' constraints.txt; .venv/bin/python -m pip freeze --exclude-editable | grep -v ' @ '; } > constraints.new
	@mv constraints.new constraints.txt

install:
	@scripts/install

uninstall:
	@FORCE=$(FORCE) scripts/uninstall

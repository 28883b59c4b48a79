# make demo    set everything up and show MailGuard at work on real mail
# make test    set everything up and run the tests
# make lint    ruff, mypy --strict, import-linter
# make serve   run it here, with the configuration in MAILGUARD_CONFIG or /etc/mailguard/mailguard.toml
# make bench   measure the relay beside bare aiosmtpd and the bare sink
# make lock    write constraints.txt anew from what is installed
# make install     as root: install it as a system service, or upgrade the one that is installed
# make uninstall   as root: remove it again; evidence, configuration and backups stay

.PHONY: demo test lint serve bench lock install uninstall
MAKEFLAGS += --no-print-directory

demo:
	@scripts/bootstrap
	@.venv/bin/mailguard demo

test:
	@scripts/bootstrap --tests
	@.venv/bin/pytest -n 2 --dist worksteal $(ARGS)

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

lock:
	@{ sed -n '/^#/p' constraints.txt; .venv/bin/python -m pip freeze --exclude-editable | grep -v ' @ '; } > constraints.new
	@mv constraints.new constraints.txt

install:
	@scripts/install

uninstall:
	@FORCE=$(FORCE) scripts/uninstall

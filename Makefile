# reeve - the only build file.  Two commands are enough:
#
#	make run	install what is missing, build, run the example
#	make check	install what the tests need, run all of them
#
# VARIANT=release|asan|tsan|coverage picks flags and an object folder of
# its own; CFLAGS and LDFLAGS are yours and come last.  V=1 shows commands.

VARIANT     ?= release
O           ?= build
B           := $(O)/$(VARIANT)
prefix      ?= /usr/local
sbindir     ?= $(prefix)/sbin
bindir      ?= $(prefix)/bin
libexecdir  ?= $(prefix)/libexec
libdir      ?= $(prefix)/lib
sysconfdir  ?= $(if $(filter /usr /usr/local,$(prefix)),/etc,$(prefix)/etc)
includedir  ?= $(prefix)/include
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/reeve
unitdir     ?= $(if $(filter /usr,$(prefix)),/lib,$(prefix)/lib)/systemd/system
compdir     ?= $(prefix)/share/bash-completion/completions
VERSION     := 0.1.0
PKG_CONFIG  ?= pkg-config
OBJCOPY     ?= objcopy
WERROR      ?=
FUZZ_SECONDS ?= 60

pkg = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)

# --- flags -----------------------------------------------------------------

std      := -std=gnu17 -D_GNU_SOURCE -Ilib -I$(B)/gen \
	    -DREEVE_VERSION='"$(VERSION)"' \
	    -DREEVE_SYSCONFDIR='"$(sysconfdir)"' \
	    -DREEVE_LIBEXECDIR='"$(libexecdir)"'
warn     := -Wall -Wextra -Wformat=2 -Wshadow -Wundef -Wpointer-arith \
	    -Wcast-qual -Wwrite-strings -Wstrict-prototypes \
	    -Wmissing-prototypes -Wold-style-definition -Wvla -Wswitch-enum \
	    -Wimplicit-fallthrough -Wnull-dereference
is_clang := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
ifeq ($(is_clang),)
warn     += -Wlogical-op -Wduplicated-cond -Wduplicated-branches
harden   := -ftrivial-auto-var-init=zero
endif
common   := -g -fPIE -fno-common -fno-strict-aliasing
harden   += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	    -fstack-clash-protection
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
harden   += -fcf-protection=full
endif
san_asan := -fsanitize=address,undefined -fno-sanitize-recover=all \
	    -fno-omit-frame-pointer
san_tsan := -fsanitize=thread
san_coverage := --coverage
san_fuzz := -fsanitize=address,undefined,fuzzer-no-link \
	    -fno-sanitize-recover=all -fno-omit-frame-pointer
ifeq ($(VARIANT),release)
flags    := -O2 $(harden)
else
flags    := -O1 $(san_$(VARIANT))
# gcc's null-dereference analysis cannot see through the sanitizers' checks.
warn     += -Wno-null-dereference
endif

ALL_CFLAGS  = $(std) $(common) $(flags) $(warn) $(WERROR) $(CFLAGS)
ALL_LDFLAGS = -pie $(flags) -pthread -Wl,-z,relro -Wl,-z,now \
	      -Wl,-z,noexecstack -Wl,--as-needed $(LDFLAGS)

LIBS_reeved       = -lev
LIBS_reeve-engine = -lev $(call pkg,--libs inih jansson sqlite3)
LIBS_reevectl     = -lev $(call pkg,--libs inih jansson)
LIBS_kinds        = $(call pkg,--libs libcrypto libzstd zlib $(have_lzma))
# The kinds need libreeve.a as well: it comes twice.
LIBS_reeve-pool   = $(archive) -lev $(call pkg,--libs inih) $(LIBS_kinds)
LIBS_uv_work      = -luv
LIBS_all          = -lev $(call pkg,--libs inih jansson sqlite3)
LIBS_check        = $(call pkg,--libs check)

# What the pool can do without; a kind that needs it says so in its summary.
have_lzma := $(if $(call pkg,--modversion liblzma),liblzma)
have_jpeg := $(if $(call pkg,--modversion libjpeg),libjpeg)

# --- sources ---------------------------------------------------------------

programs := reeved reeve-engine reevectl reeve-pool
kind_src := $(wildcard lib/pool/kinds/*.c)
lib_src  := $(filter-out $(kind_src),$(wildcard lib/*/*.c lib/*/*/*.c))
cmd_src  := $(foreach p,$(programs),$(wildcard cmd/$(p)/*.c))
lib_obj  := $(lib_src:%.c=$(B)/%.o)
archive  := $(B)/libreeve.a
kinds    := $(B)/libreeve-kinds.a
client   := $(B)/libreeve-pool.a
fake_src := $(wildcard tests/fake/*.c)
unit_src := $(wildcard tests/unit/*_test.c)
fuzz_src := $(wildcard tests/fuzz/*_fuzz.c)
help_src := $(wildcard tests/helpers/*.c)
plug_src := $(wildcard tests/plugins/*.c)
job_src  := $(wildcard conf/examples/jobs/*.c)
bench_src := $(wildcard tests/bench/*.c)
ex_src   := $(wildcard conf/examples/*.c)

bins     := $(programs:%=$(B)/%)
examples := $(ex_src:conf/examples/%.c=$(B)/examples/%)
plugins  := $(plug_src:tests/plugins/%.c=$(B)/plugins/%.so)
jobs     := $(patsubst conf/examples/jobs/%.c,$(B)/examples/jobs/%.so, \
	    $(filter-out $(if $(have_jpeg),,%/thumb.c),$(job_src)))
helpers  := $(help_src:tests/helpers/%.c=$(B)/helpers/%)
units    := $(unit_src:tests/unit/%.c=$(B)/unit/%)
benches  := $(bench_src:tests/bench/%.c=$(B)/bench/%)
fuzzers  := $(fuzz_src:tests/fuzz/%.c=$(O)/fuzz/bin/%)
manpages := $(patsubst man/%,$(B)/man/%,$(basename $(wildcard man/*.in)) \
	    $(filter-out %.in,$(wildcard man/*.[1-8])))

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-5s %s\n'
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all run check check-unit check-scenario check-vm asan ubsan tsan coverage fuzz \
	bench bench-fast format format-check lint tidy install uninstall clean \
	dist distcheck deps deps-test deps-bench deps-fuzz deps-vm test-bins man FORCE

all: $(bins) $(client) $(examples) $(jobs) man
ifeq ($(have_lzma),)
	@echo '  without liblzma: the jobs compress and decompress know no xz'
endif
ifeq ($(have_jpeg),)
	@echo '  without libjpeg: the example job thumb is not built'
endif

# A changed flag rebuilds: the flags are a file, written when they differ.
$(B)/.flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(ALL_LDFLAGS))' > $@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

$(B)/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(archive): $(lib_obj)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# What links it has libraries that nothing else of us has.
$(kinds): $(kind_src:%.c=$(B)/%.o)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# For programs of others: reeve/pool.h with what it needs of us, and no name
# but its own.
$(client): $(patsubst %.c,$(B)/%.o,$(wildcard lib/pool/client*.c)) $(archive)
	$(say) AR $@
	$(Q)$(LD) -r -o $(@:.a=.o) $^
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='reeve_pool_*' $(@:.a=.o)
	$(Q)rm -f $@ && $(AR) rcs $@ $(@:.a=.o)

# private: .flags, which they depend on, is the same for all.
$(kind_src:%.c=$(B)/%.o) $(B)/tests/unit/kinds_test.o: \
    private std += $(if $(have_lzma),-DHAVE_LZMA)

define program_rule
$(B)/$(1): $(patsubst %.c,$(B)/%.o,$(wildcard cmd/$(1)/*.c)) $(archive)
	$$(say) LD $$@
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS_$(1))
endef
$(foreach p,$(programs),$(eval $(call program_rule,$(p))))
$(B)/reeve-pool: $(kinds)

# Job plugins: what a stranger would build, with our flags.
define plugin_rule
@mkdir -p $(@D)
$(say) SO $@
$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared \
    $(filter-out -pie,$(ALL_LDFLAGS)) -MMD -MP -MF $(@:.so=.d) -MT $@ \
    -o $@ $< $(1)
endef

$(B)/plugins/%.so: tests/plugins/%.c $(B)/.flags
	$(call plugin_rule)

$(B)/examples/jobs/%.so: conf/examples/jobs/%.c $(B)/.flags
	$(call plugin_rule,$(if $(filter thumb,$*),$(call pkg,--libs libjpeg)))

# Examples, helpers and benchmarks stand alone: one file, one program.
$(B)/examples/%: $(B)/conf/examples/%.o
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lev

$(B)/helpers/pool_share: $(client)
$(B)/helpers/%: $(B)/tests/helpers/%.o
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(B)/bench/%: $(B)/tests/bench/%.o $(archive)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_$(@F))

# Unit tests link the fakes before the archive, so that they win.
$(B)/unit/%: $(B)/tests/unit/%.o $(fake_src:%.c=$(B)/%.o) $(kinds) $(archive)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_all) $(LIBS_kinds) $(LIBS_check)

man: $(manpages)

$(B)/man/%: man/%.in $(B)/reeve-engine man/generate.sh
	@mkdir -p $(@D)
	$(say) MAN $@
	$(Q)sh man/generate.sh $(B)/reeve-engine $(VERSION) < $< > $@

$(B)/man/%: man/%
	@mkdir -p $(@D)
	$(Q)sed 's/@VERSION@/$(VERSION)/g' $< > $@

# --- running and testing ---------------------------------------------------

deps:
	@sh .ci/deps.sh build
deps-test:
	@sh .ci/deps.sh build test
deps-bench:
	@sh .ci/deps.sh build test bench
deps-fuzz:
	@sh .ci/deps.sh build fuzz
deps-vm:
	@sh .ci/deps.sh build test vm

# pkg-config may only just have come: the build is a second make.
run: deps
	@$(MAKE) --no-print-directory all
	@echo "reeved: http://127.0.0.1:8080/ is served; in another shell try"
	@echo "    $(B)/reevectl -c conf/examples/web.conf status"
	$(B)/reeved -n -c conf/examples/web.conf

test-bins: all $(helpers) $(plugins) $(units)

check: deps-test
	@$(MAKE) --no-print-directory check-unit check-scenario

# The limits of time are for what hangs: check's own 4 s are not enough for that
# on a machine that is busy.
check-unit: test-bins
	@CK_DEFAULT_TIMEOUT=60 CK_TIMEOUT_MULTIPLIER=$${TEST_SLOW:-1} prove --exec '' $(PROVE_FLAGS) $(units)

check-scenario: test-bins
	@B='$(abspath $(B))' VARIANT=$(VARIANT) prove --exec '' $(PROVE_FLAGS) \
	    $(or $(T),$(sort $(wildcard tests/scenario/*.t)))

# What a kernel of its own is needed for: all controllers of cgroups v2, PID 1.
check-vm: deps-vm
	@TEST_LONG=1 $(MAKE) --no-print-directory check-scenario \
	    T=tests/scenario/130-vm.t

asan ubsan: deps-test
	@TEST_SLOW=3 $(MAKE) --no-print-directory VARIANT=asan check-unit \
	    check-scenario
tsan: deps-test
	@TEST_SLOW=5 $(MAKE) --no-print-directory VARIANT=tsan check-unit \
	    check-scenario
coverage: deps-test
	@$(MAKE) --no-print-directory VARIANT=coverage check-unit check-scenario
	gcovr -r . --object-directory $(O)/coverage -f lib/ -f cmd/ \
	    --print-summary

fuzz: deps-fuzz
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-run
fuzz-run: $(fuzzers)
	@for f in $(fuzzers); do \
		n=$$(basename $$f _fuzz); d=$(O)/fuzz/work/$$n; \
		mkdir -p $$d tests/fuzz/corpus/$$n; \
		echo "fuzz $$n for $(FUZZ_SECONDS) s"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
		    -verbosity=0 -print_final_stats=1 \
		    -artifact_prefix=$$d/ $$d tests/fuzz/corpus/$$n \
		    2>$$d.log || { tail -40 $$d.log; exit 1; }; \
		grep -E 'number_of_executed|average_exec' $$d.log; \
	done

$(O)/fuzz/bin/%: $(B)/tests/fuzz/%.o $(archive)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_all)

bench: deps-bench
	@$(MAKE) --no-print-directory bench-run
bench-run: all $(helpers) $(benches)
	@B='$(abspath $(B))' sh tests/bench/run.sh $(BENCH)

# --- hygiene ---------------------------------------------------------------

c_files = $(shell git ls-files 'cmd/*.[ch]' 'lib/*.[ch]' 'tests/*.[ch]' \
	  'conf/*.[ch]')

format:
	clang-format -i $(c_files)
format-check:
	clang-format --dry-run -Werror $(c_files)
lint: all
	@B='$(B)' sh .ci/lint.sh
tidy:
	clang-tidy --quiet $(filter %.c,$(c_files)) -- $(std) $(common)

install: all
	install -d '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(bindir)' \
	    '$(DESTDIR)$(libexecdir)' '$(DESTDIR)$(sysconfdir)/reeve' \
	    '$(DESTDIR)$(docdir)/examples/jobs' '$(DESTDIR)$(unitdir)' \
	    '$(DESTDIR)$(compdir)' '$(DESTDIR)$(includedir)/reeve' \
	    '$(DESTDIR)$(libdir)'
	install -m 644 lib/reeve/job.h lib/reeve/pool.h \
	    '$(DESTDIR)$(includedir)/reeve/'
	install -m 644 $(client) '$(DESTDIR)$(libdir)/'
	install -m 755 $(B)/reeved '$(DESTDIR)$(sbindir)/'
	install -m 755 $(B)/reeve-engine $(B)/reeve-pool \
	    '$(DESTDIR)$(libexecdir)/'
	install -m 755 $(B)/reevectl '$(DESTDIR)$(bindir)/'
	[ -e '$(DESTDIR)$(sysconfdir)/reeve/reeve.conf' ] || install -m 644 \
	    conf/reeve.conf '$(DESTDIR)$(sysconfdir)/reeve/reeve.conf'
	install -m 644 $(wildcard conf/examples/*.*) '$(DESTDIR)$(docdir)/examples/'
	install -m 644 $(job_src) conf/examples/jobs/client.py \
	    '$(DESTDIR)$(docdir)/examples/jobs/'
	sed 's|@sbindir@|$(sbindir)|; s|@sysconfdir@|$(sysconfdir)|' \
	    conf/reeve.service.in > '$(DESTDIR)$(unitdir)/reeve.service'
	install -m 644 conf/reevectl.bash '$(DESTDIR)$(compdir)/reevectl'
	for m in $(manpages); do \
		d='$(DESTDIR)$(mandir)'/man$${m##*.}; \
		install -d $$d && install -m 644 $$m $$d/ || exit 1; \
	done

uninstall:
	rm -f '$(DESTDIR)$(sbindir)/reeved' '$(DESTDIR)$(bindir)/reevectl' \
	    '$(DESTDIR)$(libexecdir)/reeve-engine' \
	    '$(DESTDIR)$(libexecdir)/reeve-pool' \
	    '$(DESTDIR)$(libdir)/libreeve-pool.a' \
	    '$(DESTDIR)$(unitdir)/reeve.service' '$(DESTDIR)$(compdir)/reevectl'
	for m in $(manpages); do \
		rm -f '$(DESTDIR)$(mandir)'/man$${m##*.}/$${m##*/}; \
	done
	rm -rf '$(DESTDIR)$(docdir)' '$(DESTDIR)$(includedir)/reeve'

dist:
	@mkdir -p $(O)
	git archive --prefix=reeve-$(VERSION)/ -o $(O)/reeve-$(VERSION).tar.gz HEAD

# What is run of the tarball: DISTCHECK= is quick.
DISTCHECK ?= check-unit
distcheck: dist
	rm -rf $(O)/distcheck && mkdir -p $(O)/distcheck
	tar -xzf $(O)/reeve-$(VERSION).tar.gz -C $(O)/distcheck
	cd $(O)/distcheck/reeve-$(VERSION) && \
	$(MAKE) WERROR=-Werror all $(DISTCHECK) && \
	$(MAKE) install DESTDIR=$$PWD/inst prefix=/usr && \
	inst/usr/sbin/reeved --version && \
	$(MAKE) uninstall DESTDIR=$$PWD/inst prefix=/usr && \
	[ "$$(find inst -type f | grep -v etc/reeve/reeve.conf)" = '' ]
	rm -rf $(O)/distcheck

clean:
	rm -rf $(O)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

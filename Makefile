# Every command of kma; `make help` lists them.

# ---- settings: give them on the command line, as in `make PAGESIZE=4096 test`

# The algorithms, each in kma_<name>.c. A new one needs its name here and nothing else.
ALGORITHMS = dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word

# The algorithm that enters the competition.
COMPETITION = KMA_WORD

# Bytes in a page; empty: what kma_page.h says.
PAGESIZE =
# 1: build for 32-bit x86.
M32 =
# address: build with the address and undefined behaviour sanitizers.
SANITIZE =
# 1: build the driver and the algorithms so that splits, joins and steps are counted.
COUNTED =
# Where `make install` puts things; DESTDIR goes in front of it.
PREFIX = /usr/local

TEAM = $(shell whoami)
VERSION := $(shell date +%Y%m%d%H%M%S)
HANDIN = $(TEAM)-$(VERSION)-kma.tar.gz

ifeq ($(origin CC),default)
CC = gcc
endif
PYTHON = /usr/bin/python3
KMA_VERSION = 1.0

OPTIMIZE = -O3
WARNINGS = -Wall -Wextra
# DWARF 4: valgrind 3.19 gives up on what clang writes for plain -g.
CFLAGS = $(OPTIMIZE) -gdwarf-4
FLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) $(CFLAGS) -DKMA_VERSION='"$(KMA_VERSION)"' \
	$(if $(PAGESIZE),-DPAGESIZE=$(PAGESIZE)) $(if $(M32),$(FOR_M32)) \
	$(if $(SANITIZE),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer) \
	$(if $(COUNTED),-DKMA_COUNTED)
comma = ,
# The kernel's headers for 32 bits are those for 64; only gcc-multilib, which does not go
# with Debian's compilers for other systems, puts them where they are looked for.
FOR_M32 = -m32 -idirafter /usr/include/x86_64-linux-gnu

# ---- names derived from the settings

# Each set of settings has a folder of its own, so they can stand side by side.
BUILD = build/$(notdir $(CC))$(if $(PAGESIZE),-$(PAGESIZE))$(if $(M32),-m32)$(if $(SANITIZE),-sanitize)$(if $(COUNTED),-counted)

PROGRAMS = $(ALGORITHMS:%=kma_%)
# A program with a sanitizer has its malloc, and counts are for a driver that prints them.
LIBRARIES = $(if $(SANITIZE)$(COUNTED),,$(ALGORITHMS:%=libkma_%.so) libkma.a)
DRIVER_SOURCES = $(filter-out driver/kma_%.c,$(wildcard driver/*.c))
DRIVER = $(DRIVER_SOURCES:%.c=$(BUILD)/%.o)
ALGORITHM_FILES = $(filter-out kma_page.c,$(wildcard kma_*.c))

upper = $(shell echo '$1' | tr a-z A-Z)
# rm_best and rm_worst are built from kma_rm.c: a variant is named after its file.
source_of = $(if $(wildcard kma_$1.c),kma_$1.c,kma_$(firstword $(subst _, ,$1)).c)

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS) kma_competition $(LIBRARIES) ## build every kma_<algorithm>, libkma_<algorithm>.so and kma_competition

# ---- building

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -c $< -o $@

# The same object file goes into executables and libraries.
SHARED = -fPIC -fno-semantic-interposition
define algorithm_rules
$(BUILD)/kma_$1.o: $(call source_of,$1) Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(FLAGS) $$(SHARED) -MMD -MP -DKMA_$(call upper,$1) -c $$< -o $$@
$(BUILD)/kma_$1: $(BUILD)/kma.o $(BUILD)/kma_page.o $(DRIVER) $(BUILD)/kma_$1.o
	$$(CC) $$(FLAGS) $$^ -o $$@
endef
$(foreach a,$(ALGORITHMS),$(eval $(call algorithm_rules,$a)))

# glibc's malloc behind the same driver: what the others are measured against.
$(BUILD)/driver/kma_libc.o: FLAGS += -DKMA_LIBC
$(BUILD)/kma_libc: $(BUILD)/kma.o $(BUILD)/kma_page.o $(DRIVER) $(BUILD)/driver/kma_libc.o
	$(CC) $(FLAGS) $^ -o $@

# What does nothing: the cost of the replay itself.
$(BUILD)/driver/kma_nothing.o: FLAGS += -DKMA_NOTHING
$(BUILD)/kma_nothing: $(BUILD)/kma.o $(BUILD)/kma_page.o $(DRIVER) $(BUILD)/driver/kma_nothing.o
	$(CC) $(FLAGS) $^ -o $@

# The executables one types are copies of those of the settings last made.
$(PROGRAMS) $(LIBRARIES) kma_competition: %: $(BUILD)/% FORCE
	@cmp -s $< $@ || cp --remove-destination $< $@

# ---- the algorithms as the malloc of real programs

HOST_PARTS = $(filter-out host/settings.c host/my_malloc.c,$(wildcard host/*.c))
HOST = $(HOST_PARTS:%.c=$(BUILD)/%.o)
$(BUILD)/host/%.o: FLAGS += $(SHARED) -fvisibility=hidden -fno-builtin
define library_rules
$(BUILD)/host/settings-$1.o: host/settings.c Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(FLAGS) -MMD -MP -DKMA_NAME='"$1"' -c $$< -o $$@
$(BUILD)/libkma_$1.so: $(BUILD)/kma_$1.o $(HOST) $(BUILD)/host/settings-$1.o host/exports.map
	$$(CC) $$(FLAGS) -shared -Wl,--version-script=host/exports.map \
		-Wl,-z,nodynamic-undefined-weak $$(filter %.o,$$^) -o $$@
endef
$(foreach a,$(ALGORITHMS),$(eval $(call library_rules,$a)))

# my_malloc and my_free for exercises: boundary tags over the break, with small pages, and
# no other name of ours in the program.
STATIC_PARTS = kma_bt host/page_map host/page_source host/page_brk host/pages host/my_malloc
$(BUILD)/static/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -UPAGESIZE -DPAGESIZE=4096 -DKMA_BT -Ihost -MMD -MP -c $< -o $@
$(BUILD)/libkma.a: $(STATIC_PARTS:%=$(BUILD)/static/%.o)
	@rm -f $@
	$(CC) $(if $(M32),-m32) -r -nostdlib -Wl,--force-group-allocation $^ -o $(BUILD)/static/libkma.o
	objcopy --keep-global-symbol=my_malloc --keep-global-symbol=my_free $(BUILD)/static/libkma.o
	ar -cr $@ $(BUILD)/static/libkma.o

libraries: $(LIBRARIES) ## build every libkma_<algorithm>.so, to be preloaded into a program

# ---- a kernel, on bare metal and as a process

# For `make boot`, `make gdb` and `make kernel-test-user`: an algorithm, x86 or riscv, the
# machine's memory, and the kernel's command line.
ALGORITHM =
MACHINE = x86
MEMORY = 64M
APPEND =

# The kernel has pages of 4096 bytes. It is built by a make with these settings, beside the
# simulated driver of the same page and word size, whose figures are built into it.
KERNEL_MAKE = $(MAKE) -s --no-print-directory PAGESIZE=4096 COUNTED= MACHINE=$1 \
	M32=$(if $(filter x86,$1),1) SANITIZE=$(if $(filter user,$1),$(SANITIZE))
RISCV_CC = $(firstword $(notdir $(shell command -v riscv64-linux-gnu-gcc riscv64-unknown-elf-gcc)) riscv64-unknown-elf-gcc)
KERNEL_CC = $(if $(filter riscv,$(MACHINE)),$(RISCV_CC),$(CC))
KERNEL = $(BUILD)/kernel/$(MACHINE)

KERNEL_FLAGS_x86 = -m32 -march=i686 -mno-sse -mno-mmx -mno-80387 $(FREESTANDING)
KERNEL_FLAGS_riscv = -march=rv64gc -mabi=lp64d -mcmodel=medany $(FREESTANDING)
KERNEL_FLAGS_user = -D_GNU_SOURCE $(filter -fsanitize%,$(FLAGS))
FREESTANDING = -ffreestanding -nostdinc -isystem $(shell $(KERNEL_CC) -print-file-name=include) \
	-isystem kernel/include -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables
KERNEL_FLAGS = -std=c11 -I. -Ikernel $(WARNINGS) $(CFLAGS) -DPAGESIZE=4096 \
	-DKMA_VERSION='"$(KMA_VERSION)"' $(KERNEL_FLAGS_$(MACHINE))
KERNEL_LINK_metal = -nostdlib -static -Wl,--build-id=none -T kernel/$(MACHINE)/kernel.ld
KERNEL_LINK = $(if $(filter user,$(MACHINE)),,$(KERNEL_LINK_metal))
KERNEL_LIBRARY = $(if $(filter user,$(MACHINE)),-lpthread,-lgcc)
# A process has its C library's memory functions.
KERNEL_PARTS = $(filter-out $(if $(filter user,$(MACHINE)),kernel/string.c), \
	$(wildcard kernel/*.c kernel/steps/*.c kernel/$(MACHINE)/*.[cS]))
KERNEL_OBJECTS = $(addprefix $(KERNEL)/,$(addsuffix .o,$(basename $(KERNEL_PARTS))))

# clang makes no such calls where there is no C library.
$(KERNEL)/kernel/string.o: KERNEL_FLAGS += $(if $(findstring clang,$(KERNEL_CC)),,-fno-tree-loop-distribute-patterns)
$(KERNEL)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(KERNEL_CC) $(KERNEL_FLAGS) -MMD -MP -c $< -o $@
$(KERNEL)/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(KERNEL_CC) $(KERNEL_FLAGS) -MMD -MP -c $< -o $@

KERNEL_TRACES = $(foreach n,1 2 3,$n.trace=testsuite/$n.trace) \
	kernel-processes=build/kernel/kernel-processes.trace
KERNEL_TRACE_FILES = $(foreach t,$(KERNEL_TRACES),$(lastword $(subst =, ,$t)))
build/kernel/%.trace: testsuite/real/%.ktr
	@mkdir -p $(@D)
	@$(MAKE) -s --no-print-directory PAGESIZE= M32= SANITIZE= COUNTED= build/$(notdir $(CC))/capture/convert
	@build/$(notdir $(CC))/capture/convert --page-size any $< -o $@ 2>$@.log || { cat $@.log >&2; exit 2; }
define kernel_rules
$(KERNEL)/kma_$1.o: $(call source_of,$1) Makefile
	@mkdir -p $$(@D)
	$$(KERNEL_CC) $$(KERNEL_FLAGS) -MMD -MP -DKMA_$(call upper,$1) -c $$< -o $$@
$(BUILD)/kernel/embedded-$1.c: kernel/embed $(BUILD)/kma_$1 $(KERNEL_TRACE_FILES)
	@mkdir -p $$(@D)
	$$(PYTHON) kernel/embed --driver $(BUILD)/kma_$1 --algorithm $1 --out $$@ $$(KERNEL_TRACES)
$(KERNEL)/embedded-$1.o: $(BUILD)/kernel/embedded-$1.c
	@mkdir -p $$(@D)
	$$(KERNEL_CC) $$(KERNEL_FLAGS) -MMD -MP -c $$< -o $$@
$(KERNEL)/kma_$1: $$(KERNEL_OBJECTS) $(KERNEL)/kma_$1.o $(KERNEL)/embedded-$1.o $(wildcard kernel/$(MACHINE)/kernel.ld)
	$$(KERNEL_CC) $$(KERNEL_FLAGS) $$(KERNEL_LINK) $$(filter %.o,$$^) $$(KERNEL_LIBRARY) -o $$@
endef
$(foreach a,$(ALGORITHMS),$(eval $(call kernel_rules,$a)))
KERNEL_ALGORITHMS = $(ALGORITHMS)
kernel-images: $(KERNEL_ALGORITHMS:%=$(KERNEL)/kma_%)

# For scripts: how a file of the kernel is compiled for the machine.
kernel-command:
	$(info $(KERNEL_CC) $(KERNEL_FLAGS))@:

# Where the image of an algorithm for each machine is.
IMAGE_x86 = build/$(notdir $(CC))-4096-m32/kernel/x86/kma_$1
IMAGE_riscv = build/$(notdir $(CC))-4096/kernel/riscv/kma_$1
IMAGE_user = build/$(notdir $(CC))-4096$(if $(SANITIZE),-sanitize)/kernel/user/kma_$1
NEED_x86 = gcc32 qemu-system-i386
NEED_riscv = riscv64-gcc qemu-system-riscv64
NAMED = $(ALGORITHM:kma_%=%)
BOOTED = $(or $(NAMED),bud)
BOOT = $(PYTHON) kernel/boot --machine $(MACHINE) --memory $(MEMORY) --append '$(APPEND)'

boot: need-boot ## boot a kernel on an algorithm: ALGORITHM=kma_bud MACHINE=x86 or riscv
	@$(call KERNEL_MAKE,$(MACHINE)) KERNEL_ALGORITHMS=$(BOOTED) kernel-images
	@$(BOOT) $(call IMAGE_$(MACHINE),$(BOOTED))
gdb: need-boot ## the same with a debugger attached to the kernel
	@$(NEED) gdb-multiarch
	@$(call KERNEL_MAKE,$(MACHINE)) KERNEL_ALGORITHMS=$(BOOTED) kernel-images
	@$(BOOT) --gdb '$(GDB)' $(call IMAGE_$(MACHINE),$(BOOTED))
# The debugger, and its options.
GDB = gdb-multiarch
need-boot: known-algorithm
	@$(if $(filter $(MACHINE),x86 riscv),,echo "make: MACHINE=$(MACHINE): it is x86 or riscv" >&2; exit 2)
	@$(NEED) $(CC) python3 zstd.h tracefs $(NEED_$(MACHINE))
known-algorithm:
	@$(if $(filter $(BOOTED),$(ALGORITHMS)),,echo "make: ALGORITHM=$(ALGORITHM): it is one of $(ALGORITHMS)" >&2; exit 2)

kernel-test-user: known-algorithm ## the kernel's steps as a process, for gdb and valgrind: all algorithms, or ALGORITHM
	@$(NEED) $(CC) python3 zstd.h tracefs
	@$(call KERNEL_MAKE,user) KERNEL_ALGORITHMS='$(or $(NAMED),$(ALGORITHMS))' kernel-images
	@for image in $(foreach a,$(or $(NAMED),$(ALGORITHMS)),$(call IMAGE_user,$a)); do \
		$(UNDER) $$image $(APPEND) || exit 1; done
# What to run them under, as in UNDER=valgrind.
UNDER =

metal: ## boot every algorithm on both machines: what passes, instructions beside callgrind's
	@$(NEED) $(CC) python3 zstd.h tracefs $(NEED_x86) $(NEED_riscv) valgrind valgrind32
	@$(call KERNEL_MAKE,x86) kernel-images
	@$(call KERNEL_MAKE,riscv) kernel-images
	@$(PYTHON) analysis/metal --algorithms "$(ALGORITHMS)" --out report \
		--images-x86 $(dir $(call IMAGE_x86)) --bin-32 build/$(notdir $(CC))-4096-m32 \
		--images-riscv $(dir $(call IMAGE_riscv)) --bin-64 build/$(notdir $(CC))-4096; \
	status=$$?; [ $$status -le 1 ] || exit $$status; \
	[ ! -f report/results.json ] || \
	$(PYTHON) analysis/doc_tables --results report/results.json DOC && exit $$status

.PHONY: boot gdb need-boot known-algorithm kernel-images kernel-command kernel-test-user metal

# ---- recording and converting traces

CAPTURE = record convert info cut merge sample generate
CAPTURE_PARTS = $(filter-out $(CAPTURE:%=capture/%.c) capture/recorder.c,$(wildcard capture/*.c))
CAPTURE_DRIVER = compact input json output progress run text trace zstd
# A kernel is recorded by a 64-bit program.
TRACEFS = $(if $(M32),,-ltracefs -ltraceevent)

capture: need-capture $(CAPTURE:%=capture/%) capture/librecorder.so ## build what records, converts and shows traces
need-capture:
	@$(NEED) $(CC) $(if $(M32),zstd32,zstd.h tracefs)
$(CAPTURE:%=capture/%) capture/librecorder.so: %: $(BUILD)/% FORCE
	@cmp -s $< $@ || cp --remove-destination $< $@
$(BUILD)/capture/libcapture.a: $(CAPTURE_PARTS:%.c=$(BUILD)/%.o) $(CAPTURE_DRIVER:%=$(BUILD)/driver/%.o)
	@rm -f $@
	ar -cr $@ $^
$(BUILD)/capture/%.o: FLAGS += $(if $(M32),-DNO_TRACEFS,-I/usr/include/tracefs -I/usr/include/traceevent)
$(CAPTURE:%=$(BUILD)/capture/%): %: %.o $(BUILD)/capture/libcapture.a
	$(CC) $(FLAGS) $^ -lzstd $(if $(filter %/record,$@),$(TRACEFS)) -o $@
# The recorder takes the place of a program's malloc; it is built alone.
$(BUILD)/capture/librecorder.so: capture/recorder.c Makefile
	@mkdir -p $(@D)
	$(CC) $(filter-out -fsanitize%,$(FLAGS)) -MMD -MP -fPIC -shared -fno-builtin $< -o $@

.PHONY: libraries capture need-capture

# One command from the sources, as a grader compiles: it needs no driver/ when another
# kma.c has none.
competition: kma_competition ## build kma_competition from the algorithm COMPETITION names
$(BUILD)/competition-$(COMPETITION): kma.c kma_page.c $(ALGORITHM_FILES) $(wildcard driver/*.c *.h driver/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) -Wall -O3 -D_GNU_SOURCE $(if $(PAGESIZE),-DPAGESIZE=$(PAGESIZE)) $(if $(M32),$(FOR_M32)) \
		-DCOMPETITION -D$(COMPETITION) -o $@ \
		kma.c kma_page.c $(wildcard driver/*.c) $(ALGORITHM_FILES)

$(BUILD)/kma_competition: $(BUILD)/competition-$(COMPETITION) FORCE
	@cmp -s $< $@ || cp --remove-destination $< $@

competitionAlgorithm: ## print the algorithm in the competition
	@echo $(COMPETITION)

FORCE:
# For scripts: everything that can be measured, and where it is.
executables: $(ALGORITHMS:%=$(BUILD)/kma_%) $(BUILD)/kma_libc $(BUILD)/kma_nothing
settings:
	@printf '%s\n' 'algorithms=$(ALGORITHMS)' 'build=$(BUILD)' 'cc=$(CC)' 'version=$(KMA_VERSION)' \
		'flags=$(strip -std=c11 $(CFLAGS) $(if $(M32),-m32))'

.PHONY: all competition competitionAlgorithm executables settings FORCE

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- looking

NEED = analysis/need

analyze: need-analyze ## from nothing to pictures: kma_output.png, kma_waste.png and a table
	@$(PYTHON) analysis/compare --fresh --traces testsuite/5.trace --out build/analyze \
		--no-references --no-instructions --no-growth --retries 1 --plots kma_output,kma_waste
	@cp build/analyze/plots/kma_output.png build/analyze/plots/kma_waste.png .
need-analyze:
	@$(NEED) $(CC) python3 gnuplot

report: need-analyze ## measure everything: report/index.html, plots, the tables of DOC
	@$(NEED) valgrind
	@$(NEED) jemalloc mimalloc tcmalloc || echo 'make report: going on without them' >&2
	@mkdir -p report
	@$(MEASURE); [ $$? -le 1 ] || exit 2; \
	$(PYTHON) analysis/compare $(if $(PAGESIZE),,--sweep report/sweep) --out report; \
	status=$$?; [ $$status -le 1 ] || exit $$status; \
	$(PYTHON) analysis/claims --bin $(BUILD) --counted $(BUILD)-counted \
		--json report/claims.json >report/claims.txt; \
	$(PYTHON) analysis/sweep_scale --json report/sweep_scale.json >report/sweep_scale.txt; \
	$(PYTHON) analysis/report --results report --out report && \
	$(PYTHON) analysis/doc_tables --results report/results.json DOC && \
	cp $(PICTURES:%=report/plots/%.png) analysis/pictures && exit $$status
PICTURES = kma_output kma_waste kma_pareto
# The plan is about pages of the usual size; a comparison measures with others by itself.
MEASURE = $(if $(PAGESIZE),:,$(PYTHON) analysis/sweep plans/paper.toml --out report/sweep --resume >report/sweep.txt)

scaling: need-analyze ## time against live blocks, to 10 million, and trace length, to 100 million events
	@$(NEED) zstd.h
	@$(NEED) jemalloc mimalloc tcmalloc || echo 'make scaling: going on without them' >&2
	@mkdir -p report
	@$(PYTHON) analysis/sweep plans/scaling.toml --out report/scaling --resume; \
	status=$$?; [ $$status -le 1 ] || exit $$status; \
	$(PYTHON) analysis/compare --sweep report/scaling --out report/growth && \
	[ ! -f report/results.json ] || \
	$(PYTHON) analysis/doc_tables --results report/results.json DOC && exit $$status

programs: need-analyze ## run real programs on every algorithm, beside glibc, jemalloc, mimalloc, tcmalloc
	@$(NEED) $(PROGRAM_TOOLS) || echo 'make programs: going on without them' >&2
	@$(NEED) jemalloc mimalloc tcmalloc || echo 'make programs: going on without them' >&2
	@$(MAKE) -s --no-print-directory $(LIBRARIES:%=$(BUILD)/%)
	@$(PYTHON) analysis/programs --bin $(BUILD) --algorithms "$(ALGORITHMS)" \
		--cc "$(CC)$(if $(M32), -m32)" --references --repeat $(REPEAT) --out report; \
	status=$$?; [ $$status -le 1 ] || exit $$status; \
	[ ! -f report/results.json ] || { $(PYTHON) analysis/report --results report --out report && \
	$(PYTHON) analysis/doc_tables --results report/results.json DOC; } && exit $$status
PROGRAM_TOOLS = gcc git sqlite3 redis python-tests
REPEAT = 5

bench: need-analyze ## time per event beside glibc's malloc and against live blocks; reading of traces
	@$(NEED) $(if $(M32),zstd32,zstd.h)
	@$(MAKE) -s --no-print-directory all executables $(BUILD)/capture/generate
	@$(PYTHON) analysis/bench --algorithms "$(ALGORITHMS)" --bin $(BUILD) \
		--cache $(BUILD)/bench $(BENCH)

frontier: need-analyze ## time against penalty of all allocators on all traces, beside the best packers
	@$(NEED) jemalloc mimalloc tcmalloc || echo 'make frontier: going on without them' >&2
	@$(MAKE) -s --no-print-directory executables
	@$(PYTHON) analysis/frontier --algorithms "$(ALGORITHMS)" --bin $(BUILD) \
		--output report/frontier $(FRONTIER)

# Its executables have pages of three sizes; programs are recorded by a 64-bit recorder.
fresh: ## the competition's algorithm on traces made and recorded anew: FRESH='--seed N'
	@$(NEED) $(CC) python3 zstd.h tracefs
	@$(NEED) jemalloc mimalloc tcmalloc || echo 'make fresh: going on without them' >&2
	@$(MAKE) $(FRESH_MAKE) PAGESIZE=4096 executables
	@$(MAKE) $(FRESH_MAKE) PAGESIZE= executables
	@$(MAKE) $(FRESH_MAKE) PAGESIZE=16384 executables
	@$(MAKE) $(FRESH_MAKE) PAGESIZE= M32= $(FRESH_RECORDER) $(dir $(FRESH_RECORDER))librecorder.so
	@mkdir -p report
	@$(PYTHON) analysis/fresh --algorithms "$(ALGORITHMS)" --entrant $(ENTRANT) \
		--bin-4096 $(call FRESH_BUILD,-4096) --bin-8192 $(call FRESH_BUILD) \
		--bin-16384 $(call FRESH_BUILD,-16384) --recorder $(FRESH_RECORDER) \
		--results report/fresh.json $(FRESH); \
	status=$$?; [ $$status -le 1 ] || exit $$status; \
	[ ! -f report/results.json ] || \
	$(PYTHON) analysis/doc_tables --results report/results.json DOC && exit $$status
FRESH_MAKE = -s --no-print-directory SANITIZE= COUNTED=
FRESH_BUILD = build/$(notdir $(CC))$1$(if $(M32),-m32)
FRESH_RECORDER = build/$(notdir $(CC))/capture/record
ENTRANT = $(shell echo '$(COMPETITION:KMA_%=%)' | tr A-Z a-z)

scoreboard: ## rank the algorithms by the rule of the competition, on every trace
	@$(NEED) $(CC) python3
	@$(MAKE) -s --no-print-directory all
	@$(PYTHON) analysis/scoreboard --algorithms "$(ALGORITHMS)" --bin . \
		--traces "$(strip $(TRACES))"

icount: ## instructions of every malloc and free, on every trace: mean and worst
	@$(NEED) $(CC) python3 valgrind $(if $(M32),valgrind32)
	@$(MAKE) -s --no-print-directory executables
	@$(PYTHON) analysis/icount --algorithms "$(ALGORITHMS)" --bin $(BUILD) \
		--traces "$(strip $(TRACES))"

bound: ## hold the bounds in instructions that kma_tlsf.c and kma_word.c state against every call
	@$(NEED) $(CC) python3 valgrind $(if $(M32),valgrind32)
	@$(MAKE) -s --no-print-directory executables
	@$(PYTHON) analysis/bound --bin $(BUILD)
	@echo && $(PYTHON) analysis/bound --bin $(BUILD) --source kma_word.c

claims: ## what the literature says of these algorithms, and what is measured here
	@$(NEED) $(CC) python3 valgrind $(if $(M32),valgrind32)
	@$(MAKE) -s --no-print-directory executables
	@$(MAKE) -s --no-print-directory COUNTED=1 executables
	@$(PYTHON) analysis/claims --bin $(BUILD) --counted $(BUILD)-counted $(CLAIMS)

TRACES = $(wildcard testsuite/[0-9].trace)

.PHONY: analyze need-analyze report scaling programs scoreboard bench frontier fresh icount bound claims

# ---- testing

WHITE_BOX_TESTS = rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word
C_TESTS = $(BUILD)/test_page $(BUILD)/test_records $(BUILD)/test_trace $(BUILD)/test_compact $(BUILD)/test_latency \
	$(WHITE_BOX_TESTS:%=$(BUILD)/test_%) $(ALGORITHMS:%=$(BUILD)/test_model_%) \
	$(BUILD)/test_host_pages $(ALGORITHMS:%=$(BUILD)/test_host_heap_%) \
	$(if $(SANITIZE),,$(BUILD)/test_my_malloc) $(BUILD)/test_kernel
PYTHON_TESTS = $(wildcard tests/test_*.py)
TRACE_READER = compact input text trace zstd
TEST_FLAGS = $(FLAGS) -Wno-unused-parameter
INJECT = -Wl,--wrap=get_page,--wrap=get_pages

# The broken allocators that the driver has to catch, by the names in the file.
BROKEN = $(shell sed -n '/^enum fault/,/^}/s/^    \([a-z_]*\),.*/\1/p' tests/broken.c 2>/dev/null)

HOST_PAGES = $(filter $(BUILD)/host/page%,$(HOST))

test: need-test ## run every test; the last line says how many passed
	@$(MAKE) -s --no-print-directory all capture test-programs
	@$(MAKE) -s --no-print-directory COUNTED=1 executables
	@$(call KERNEL_MAKE,user) kernel-images
	@! $(call BOOTS,x86) || $(call KERNEL_MAKE,x86) kernel-images
	@! $(call BOOTS,riscv) || $(call KERNEL_MAKE,riscv) kernel-images
	@KMA_BUILD=$(BUILD) KMA_ALGORITHMS="$(ALGORITHMS)" KMA_CC="$(CC)" KMA_M32="$(M32)" \
		$(PYTHON) tests/run $(C_TESTS) $(PYTHON_TESTS)
need-test:
	@$(NEED) $(CC) python3 gnuplot valgrind mandoc clang-sanitizers cmocka.h zstd.h \
		$(if $(M32),cmocka32 valgrind32 zstd32,tracefs)
	@$(NEED) browser || echo 'make test: the report is not looked at in a browser' >&2
	@$(NEED) cmocka32 || echo 'make test: nothing is tested with 32 bits' >&2
	@$(NEED) $(PROGRAM_TOOLS) || echo 'make test: not all programs run on the algorithms' >&2
	@$(call BOOTS,x86) || echo 'make test: no kernel boots on x86' >&2
	@$(call BOOTS,riscv) || echo 'make test: no kernel boots on riscv' >&2
	@$(NEED) gdb-multiarch || echo 'make test: no debugger is attached to a kernel' >&2
	@$(NEED) slurm || echo 'make test: no sweep runs on a cluster' >&2
BOOTS = $(NEED) $(NEED_$1)
test-programs: executables $(LIBRARIES:%=$(BUILD)/%) $(BUILD)/kma_competition $(CAPTURE:%=$(BUILD)/capture/%) $(BUILD)/capture/librecorder.so $(C_TESTS) $(BROKEN:%=$(BUILD)/broken_%)

$(BUILD)/test_page: tests/test_page.c $(BUILD)/kma_page.o
	$(CC) $(TEST_FLAGS) -MMD -MP $< $(BUILD)/kma_page.o -lcmocka -o $@
$(BUILD)/test_records: tests/test_records.c
	$(CC) $(TEST_FLAGS) -MMD -MP $< $(INJECT) -lcmocka -o $@
$(BUILD)/test_trace: tests/test_trace.c $(TRACE_READER:%=$(BUILD)/driver/%.o)
	$(CC) $(TEST_FLAGS) -MMD -MP $< $(TRACE_READER:%=$(BUILD)/driver/%.o) -lcmocka -o $@
$(BUILD)/test_compact: tests/test_compact.c $(BUILD)/capture/libcapture.a
	$(CC) $(TEST_FLAGS) -MMD -MP $< $(BUILD)/capture/libcapture.a -lcmocka -lzstd -o $@
$(BUILD)/test_latency: tests/test_latency.c $(DRIVER) $(BUILD)/kma_page.o $(BUILD)/kma_dummy.o
	$(CC) $(TEST_FLAGS) -MMD -MP $< $(DRIVER) $(BUILD)/kma_page.o $(BUILD)/kma_dummy.o -lcmocka -o $@
define white_box_rule
$(BUILD)/test_$1: tests/test_$(firstword $(subst _, ,$1)).c $(call source_of,$1) $(BUILD)/kma_page.o
	$$(CC) $$(TEST_FLAGS) -MMD -MP -DKMA_$(call upper,$1) $$< $(BUILD)/kma_page.o $(INJECT) -lcmocka -o $$@
endef
$(foreach a,$(WHITE_BOX_TESTS),$(eval $(call white_box_rule,$a)))
$(BUILD)/test_model_%: tests/test_model.c $(BUILD)/kma_%.o $(BUILD)/kma_page.o
	$(CC) $(TEST_FLAGS) -MMD -MP -DALGORITHM='"$*"' $< $(BUILD)/kma_$*.o $(BUILD)/kma_page.o $(INJECT) -lcmocka -o $@
$(BUILD)/test_host_pages: tests/test_host_pages.c $(HOST_PAGES)
	$(CC) $(TEST_FLAGS) -Ihost -MMD -MP $< $(HOST_PAGES) -lcmocka -o $@
$(BUILD)/test_host_heap_%: tests/test_host_heap.c $(BUILD)/kma_%.o $(HOST_PAGES) $(BUILD)/host/heap.o
	$(CC) $(TEST_FLAGS) -Ihost -MMD -MP -DALGORITHM='"$*"' $< $(BUILD)/kma_$*.o $(HOST_PAGES) $(BUILD)/host/heap.o -lcmocka -o $@
$(BUILD)/test_my_malloc: tests/test_my_malloc.c $(BUILD)/libkma.a
	$(CC) $(TEST_FLAGS) -MMD -MP $< $(BUILD)/libkma.a -lcmocka -o $@
$(BUILD)/test_kernel: tests/test_kernel.c
	@mkdir -p $(@D)
	$(CC) $(TEST_FLAGS) -UPAGESIZE -DPAGESIZE=4096 -Ikernel -MMD -MP $< -lcmocka -o $@
$(BUILD)/broken_%: tests/broken.c $(BUILD)/kma.o $(BUILD)/kma_page.o $(DRIVER)
	$(CC) $(FLAGS) -DBROKEN=$* $< $(BUILD)/kma.o $(BUILD)/kma_page.o $(DRIVER) -o $@

# Clusters on the loopback address, with their own configuration and state.
test-slurm: ## sweeps on a Slurm cluster that is set up for it and taken down again
	@$(NEED) $(CC) python3 slurm
	@$(MAKE) -s --no-print-directory executables
	@echo "make test-slurm: clusters of one and of three nodes on 127.0.0.1, as $$(id -un)"
	@KMA_BUILD=$(BUILD) KMA_ALGORITHMS="$(ALGORITHMS)" KMA_CC="$(CC)" KMA_M32="$(M32)" \
		$(PYTHON) tests/run tests/test_slurm_cluster.py $(sort $(wildcard tests/test_sweep_slurm*.py))

# The figures for these settings take the place of those that were recorded for them.
golden: $(ALGORITHMS:%=$(BUILD)/kma_%) ## record the memory figures that the tests compare with
	@KMA_BUILD=$(BUILD) KMA_ALGORITHMS="$(ALGORITHMS)" $(PYTHON) tests/test_memory.py --write >$(BUILD)/golden
	@{ echo '# word page algorithm trace pages-requested peak-pages penalty; made by make golden'; \
		{ grep -v '^#' tests/golden.txt | grep -v "^$$(head -n 1 $(BUILD)/golden | cut -d' ' -f1-2) "; \
		cat $(BUILD)/golden; } | sort -k1,2nr -k2,2nr -s; } >tests/golden.new
	@mv tests/golden.new tests/golden.txt

fuzz: ## hostile files for each reader of traces, FUZZ_SECONDS=600 each
	@$(NEED) clang-sanitizers zstd.h
	@KMA_BUILD=$(BUILD) $(PYTHON) tests/test_fuzz.py --seconds $(FUZZ_SECONDS)
FUZZ_SECONDS = 600

endurance: ## a billion generated events through a pipe: EVENTS=N ENDURANCE="bud rm"
	@$(NEED) $(CC) python3 $(if $(M32),zstd32,zstd.h)
	@$(MAKE) -s --no-print-directory executables $(BUILD)/capture/generate
	@KMA_BUILD=$(BUILD) $(PYTHON) tests/endurance $(EVENTS) $(ENDURANCE)
EVENTS = 1000000000
ENDURANCE = bud

check-rules: $(ALGORITHMS:%=$(BUILD)/kma_%.o) ## prove the rules of the game from the object files
	@$(PYTHON) tests/check_rules $^

test-reg: ## grade the hand-in as the course does
	@$(NEED) $(CC) python3
	@testsuite/grade
handin: ## make the hand-in, TEAM-VERSION-kma.tar.gz
	@tar -czf '$(HANDIN).part' Makefile DOC *.h *.c && mv '$(HANDIN).part' '$(HANDIN)'
	@echo '$(HANDIN)'

leak: all ## run every algorithm under valgrind on 1.trace to 3.trace
	@$(NEED) valgrind $(if $(M32),valgrind32)
	@tests/leak $(PROGRAMS:%=./%) -- testsuite/1.trace testsuite/2.trace testsuite/3.trace
asan: ## run the tests with the address and undefined behaviour sanitizers
	@$(MAKE) --no-print-directory SANITIZE=address OPTIMIZE=-O1 test
lint: ## clang-format, clang-tidy and cppcheck find nothing
	@$(NEED) clang-format clang-tidy cppcheck zstd.h tracefs
	@tests/lint $(ALGORITHMS)

.PHONY: golden test need-test test-programs test-slurm fuzz endurance check-rules test-reg handin leak asan lint

# ---- the rest

install: all capture ## install executables, libraries and manual pages below PREFIX
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/man/man3' '$(DESTDIR)$(PREFIX)/share/man/man5'
	install -d '$(DESTDIR)$(PREFIX)/lib/kma'
	install -m 755 $(PROGRAMS) '$(DESTDIR)$(PREFIX)/bin'
	for t in $(CAPTURE); do install -m 755 capture/$$t '$(DESTDIR)$(PREFIX)/bin/kma-'$$t; done
	install -m 644 capture/librecorder.so $(LIBRARIES) host/my_malloc.h '$(DESTDIR)$(PREFIX)/lib/kma'
	install -m 644 man/kma.1 man/kma-capture.1 '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -m 644 man/libkma.3 '$(DESTDIR)$(PREFIX)/share/man/man3'
	install -m 644 man/kma-trace.5 '$(DESTDIR)$(PREFIX)/share/man/man5'
	for p in $(PROGRAMS); do ln -sf kma.1 '$(DESTDIR)$(PREFIX)/share/man/man1/'$$p.1; done
	for t in $(CAPTURE); do ln -sf kma-capture.1 '$(DESTDIR)$(PREFIX)/share/man/man1/kma-'$$t.1; done
uninstall: ## remove what install put there
	rm -f $(PROGRAMS:%='$(DESTDIR)$(PREFIX)/bin/%') $(PROGRAMS:%='$(DESTDIR)$(PREFIX)/share/man/man1/%.1')
	rm -f $(CAPTURE:%='$(DESTDIR)$(PREFIX)/bin/kma-%') $(CAPTURE:%='$(DESTDIR)$(PREFIX)/share/man/man1/kma-%.1')
	rm -rf '$(DESTDIR)$(PREFIX)/lib/kma'
	rm -f '$(DESTDIR)$(PREFIX)/share/man/man1/kma-capture.1' '$(DESTDIR)$(PREFIX)/share/man/man1/kma.1' '$(DESTDIR)$(PREFIX)/share/man/man3/libkma.3' '$(DESTDIR)$(PREFIX)/share/man/man5/kma-trace.5'
format: ## lay the C files out as .clang-format says
	clang-format -i *.c *.h driver/*.[ch] capture/*.[ch] host/*.[ch] tests/*.[ch] tests/host/*.[ch] tests/programs/*.c \
		kernel/*.[ch] kernel/*/*.[ch] tests/port/*.[ch] tests/port/*/*.h
clean: ## remove what was built
	rm -rf build report $(CAPTURE:%=capture/%) capture/librecorder.so $(PROGRAMS) $(ALGORITHMS:%=libkma_%.so) libkma.a kma_competition kma_output.dat kma_output.png kma_waste.png \
		analysis/__pycache__ tests/__pycache__
help: ## this list
	@sed -n 's/^\([a-zA-Z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		while IFS='|' read -r target text; do printf '%-28s %s\n' "$$target" "$$text"; done
	@echo '  settings: CC=clang  PAGESIZE=4096  M32=1  COUNTED=1  as in: make PAGESIZE=4096 test'

.PHONY: install uninstall format clean help

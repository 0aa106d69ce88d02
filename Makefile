# SPDX-License-Identifier: Apache-2.0
#
# The one entry point. `make help` is made from the "##" comments below.
# Everything that is built lies in build/; libraries, kernel and downloads are
# cached outside the checkout by a hash of their inputs (tools/deps, kernel-config/build).

# ARCH is what the guest is: agent, initrd, kernel. What runs here is of this machine's own kind: the tools, and the tests.
ARCH	?= x86_64
OWN	:= $(shell uname -m)
CROSS	:= $(if $(filter $(OWN),$(ARCH)),,$(ARCH)-linux-gnu-)
B	:= build/$(ARCH)
N	:= build/$(OWN)
H	:= build/host
F	:= build/fuzz
GEN	:= build/gen
VERSION	:= $(shell cat VERSION)

MAKEFLAGS += --no-builtin-rules
SHELL	:= /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help

# --- sources ---------------------------------------------------------------

LAYERS	:= base event ttrpc kernel device storage container network sandbox service service/kata service/containerd main
PROTOS	:= $(wildcard agent/proto/*.proto)
PB	:= $(PROTOS:agent/proto/%.proto=$(GEN)/%.pb-c.c) $(GEN)/google/protobuf/any.pb-c.c \
	   $(GEN)/google/protobuf/empty.pb-c.c $(GEN)/google/protobuf/timestamp.pb-c.c
MAIN_SRC := agent/main/main.c
LIB_SRC	:= $(filter-out $(MAIN_SRC),$(foreach l,$(LAYERS),$(wildcard agent/$(l)/*.c)))
TOOL_SRC := $(wildcard tools/motectl/*.c)
VMLIB_SRC := $(wildcard tools/vm/*.c tools/lib/*.c)
SHIM_SRC := $(filter-out tools/shim/main.c,$(wildcard tools/shim/*.c))
TESTLIB_SRC := $(wildcard tests/lib/*.c)

# --- flags -------------------------------------------------------------------

WARN	:= -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wundef \
	   -Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Werror=sign-compare -Werror
STD	:= -std=gnu11 -Ulinux -D_GNU_SOURCE -DMOTE_VERSION='"$(VERSION)"'
INC	:= -Iagent -I$(GEN) -Itools

# The release build: musl, static, small. No build path and no time stamp goes in.
RCC	= build/$(1)/deps/bin/cc
RCFLAGS	:= $(STD) $(WARN) -Os -g1 -fno-pie -fno-plt -fno-ident -ffunction-sections -fdata-sections -fstack-protector-strong \
	   -fno-asynchronous-unwind-tables -fno-unwind-tables -ffile-prefix-map=$(CURDIR)=. $(INC)
RLDFLAGS := -static -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=sha1
RLIBS	= -lcgroup -lblkid -lseccomp -lmnl -lyyjson -lprotobuf-c

# The test build: the distribution's libc with address and undefined-behaviour sanitizers.
HCFLAGS	:= $(STD) $(WARN) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	   -DMOTE_TEST $(INC) -I$(N)/deps/src -Itests
HLIBS	= -lcgroup -lblkid -lseccomp -lmnl -lm

FCFLAGS	:= $(STD) -O1 -g -Wno-gnu-variable-sized-type-not-at-end -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DMOTE_TEST -DMOTE_FUZZ $(INC) -I$(N)/deps/src -Itests

# --- targets -------------------------------------------------------------------

help: ## this text
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile

all: agent tools initrd kernel ## everything that a VM needs

# A machine of another kind needs more for a build for ARCH: its own stamp.
SETUP	:= build/.setup$(CROSS:%-linux-gnu-=-%)

setup: $(SETUP) ## install the distribution's packages that build, run and test need (root), or say which
$(SETUP): tools/setup
	@mkdir -p build
	@tools/setup $(if $(CROSS),$(ARCH))
	@touch $@

deps: $(B)/deps ## the third-party libraries, static for musl
build/%/deps: tools/deps $(wildcard tools/deps.d/*) | $(SETUP)
	@mkdir -p $(@D)
	@prefix=$$(tools/deps $* | tail -n 1) && ln -sfn "$$prefix" $@ && touch -h $@

agent: $(B)/mote-agent ## the agent: build/ARCH/mote-agent
tools: $(B)/motectl $(B)/containerd-shim-mote-v2 $(B)/mkinitrd $(B)/vhost-device-vsock $(B)/guest/motectl $(if $(CROSS),$(B)/busybox) ## motectl, mkinitrd, and what VMs need here for their vsock

initrd: $(B)/initrd.img ## the initrd with the agent as init
kernel: $(B)/vmlinuz ## the guest kernel (KERNEL_VARIANT=debug: one that tells more; KERNEL=/path takes another)
kernel-menuconfig: | $(SETUP) ## change the kernel's configuration in its menu; what was changed is written to FRAGMENT
	@mkdir -p $(B)
	@kernel-config/menuconfig --arch $(ARCH) '$(or $(FRAGMENT),$(B)/changed.config)'
kernel-report: agent tools initrd kernel ## what makes the kernel big and its boot slow
	@kernel-config/report size --arch $(ARCH)
	@kernel-config/report time --arch $(ARCH)

# What make rootfs takes; "rootfs-builder/build --help" tells of each.
FLAVOUR	?= minimal
FORMAT	?= erofs
LAYOUT	?= plain
ROOTFS	= --arch $(ARCH) --flavour '$(FLAVOUR)' --format '$(FORMAT)' --layout '$(LAYOUT)' $(if $(INIT),--init '$(INIT)') $(if $(VERITY),--verity) $(if $(FREE),--free '$(FREE)') \
	  $(if $(EXTRA_PKGS),--extra-pkgs '$(EXTRA_PKGS)') $(if $(EXTRA_FILES),--extra-files '$(EXTRA_FILES)') \
	  $(if $(MODULES),--modules '$(MODULES)') $(if $(HOOKS),--hooks '$(HOOKS)') $(if $(LOCK),--lock '$(LOCK)') \
	  $(if $(UPDATE),--update) $(if $(IMAGE),--output '$(IMAGE)')

rootfs: agent $(B)/mkinitrd ## a rootfs image: FLAVOUR, FORMAT, LAYOUT=kata, VERITY=1, FREE, EXTRA_PKGS… (docs/images.md)
	@rootfs-builder/build $(ROOTFS)
check-image: ## what a host expects of a rootfs image: IMAGE=FILE
	@rootfs-builder/check '$(or $(IMAGE),$(error IMAGE=FILE names the image))'

# --- generated code --------------------------------------------------------------

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: agent/proto/%.proto | $(SETUP)
	@mkdir -p $(GEN)
	@protoc-c -Iagent/proto --c_out=$(GEN) $<

$(GEN)/google/protobuf/%.pb-c.c $(GEN)/google/protobuf/%.pb-c.h &: | $(SETUP)
	@mkdir -p $(GEN)
	@protoc-c -I/usr/include --c_out=$(GEN) google/protobuf/$*.proto

# The agent's own are without names.
$(GEN)/small/%.pb-c.c: $(GEN)/%.pb-c.c tools/strip-names
	@mkdir -p $(@D)
	@tools/strip-names $< $@

PB_H	:= $(PB:.c=.h)
PB_SMALL := $(PB:$(GEN)/%.c=$(GEN)/small/%.c)

# --- objects: release, test, fuzz ---------------------------------------------------

R_MAIN_O := $(MAIN_SRC:%.c=$(B)/obj/%.o)
R_TOOL_O := $(TOOL_SRC:%.c=$(N)/obj/%.o) $(VMLIB_SRC:%.c=$(N)/obj/%.o)
R_SHIM_O := $(SHIM_SRC:%.c=$(N)/obj/%.o) $(N)/obj/tools/shim/main.o $(VMLIB_SRC:%.c=$(N)/obj/%.o)
H_LIB_O	:= $(LIB_SRC:%.c=$(H)/obj/%.o) $(PB:$(GEN)/%.c=$(H)/obj/gen/%.o) $(VMLIB_SRC:%.c=$(H)/obj/%.o) $(SHIM_SRC:%.c=$(H)/obj/%.o) $(TESTLIB_SRC:%.c=$(H)/obj/%.o) \
	   $(H)/obj/third/protobuf-c.o $(H)/obj/third/yyjson.o
F_LIB_O	:= $(LIB_SRC:%.c=$(F)/obj/%.o) $(PB:$(GEN)/%.c=$(F)/obj/gen/%.o) \
	   $(patsubst %.c,$(F)/obj/%.o,$(VMLIB_SRC) $(SHIM_SRC)) \
	   $(F)/obj/third/protobuf-c.o $(F)/obj/third/yyjson.o

# Generated code and third-party sources are compiled without our warnings.
# protobuf-c shifts signed numbers and adds 0 to NULL; its memory accesses are what matters here.
GENFLAGS = $(filter-out -W%,$(1)) -w -fno-sanitize=shift,alignment,pointer-overflow

# For ARCH, and for this machine's own architecture, which the tools are of.
define release_rules
build/$(1)/obj/gen/%.o: $(GEN)/%.c | build/$(1)/deps $(PB_H)
	@mkdir -p $$(@D)
	@$(RCC) $(filter-out -W%,$(RCFLAGS)) -w -c $$< -o $$@
build/$(1)/obj/tests/%.o: tests/%.c Makefile | build/$(1)/deps $(PB_H)
	@mkdir -p $$(@D)
	@echo "  CC  $$<"
	@$(RCC) $(filter-out -Wwrite-strings -Wmissing-prototypes,$(RCFLAGS)) -Itests/bench/plain -Itests -MMD -MP -c $$< -o $$@
build/$(1)/obj/%.o: %.c Makefile | build/$(1)/deps $(PB_H)
	@mkdir -p $$(@D)
	@echo "  CC  $$<"
	@$(RCC) $(RCFLAGS) -MMD -MP -c $$< -o $$@
build/$(1)/libmote.a: $(LIB_SRC:%.c=build/$(1)/obj/%.o) $(PB:$(GEN)/%.c=build/$(1)/obj/gen/%.o)
endef
$(foreach a,$(sort $(ARCH) $(OWN)),$(eval $(call release_rules,$(a))))

$(H)/obj/gen/%.o: $(GEN)/%.c | $(N)/deps $(PB_H)
	@mkdir -p $(@D)
	@gcc $(call GENFLAGS,$(HCFLAGS)) -c $< -o $@
$(H)/obj/third/%.o: | $(N)/deps
	@mkdir -p $(@D)
	@gcc $(call GENFLAGS,$(HCFLAGS)) -c $$(ls $(N)/deps/src/$*.c $(N)/deps/src/*/$*.c 2>/dev/null | head -n 1) -o $@
$(H)/obj/tests/%.o: tests/%.c Makefile | $(N)/deps $(PB_H)
	@mkdir -p $(@D)
	@echo "  CC  $< (test)"
	@gcc $(filter-out -Wwrite-strings -Wmissing-prototypes,$(HCFLAGS)) -MMD -MP -c $< -o $@
$(H)/obj/%.o: %.c Makefile | $(N)/deps $(PB_H)
	@mkdir -p $(@D)
	@echo "  CC  $< (test)"
	@gcc $(HCFLAGS) -MMD -MP -c $< -o $@

$(F)/obj/gen/%.o: $(GEN)/%.c | $(N)/deps $(PB_H)
	@mkdir -p $(@D)
	@clang $(call GENFLAGS,$(FCFLAGS)) -c $< -o $@
$(F)/obj/third/%.o: | $(N)/deps
	@mkdir -p $(@D)
	@clang $(call GENFLAGS,$(FCFLAGS)) -c $$(ls $(N)/deps/src/$*.c $(N)/deps/src/*/$*.c 2>/dev/null | head -n 1) -o $@
$(F)/obj/%.o: %.c Makefile | $(N)/deps $(PB_H)
	@mkdir -p $(@D)
	@clang $(FCFLAGS) -MMD -MP -c $< -o $@

# Made anew, so that no object of a deleted source stays in it; appended (q), since some objects share a base name.
%/libmote.a:
	@rm -f $@ && ar qcsD $@ $^
$(H)/libmote.a: $(H_LIB_O)
$(F)/libmote.a: $(F_LIB_O)

-include $(shell find $(sort $(B) $(N))/obj $(H)/obj $(F)/obj -name '*.d' 2>/dev/null)

# --- programs ----------------------------------------------------------------------

$(B)/mote-agent: $(R_MAIN_O) $(PB_SMALL:$(GEN)/%.c=$(B)/obj/gen/%.o) $(B)/libmote.a | $(B)/deps
	@$(B)/deps/bin/cc $(RLDFLAGS) $^ $(RLIBS) -o $@.debug
	@$(CROSS)strip -s -R .comment -R .note.gnu.property $@.debug -o $@
	@tools/check-static $@ 1048576
$(N)/motectl: $(R_TOOL_O) $(N)/libmote.a | $(N)/deps
	@$(N)/deps/bin/cc $(RLDFLAGS) $^ $(RLIBS) -o $@
# As a program of the guest, which tests run there.
$(B)/guest/motectl: $(TOOL_SRC:%.c=$(B)/obj/%.o) $(VMLIB_SRC:%.c=$(B)/obj/%.o) $(B)/libmote.a | $(B)/deps
	@mkdir -p $(@D)
	@$(B)/deps/bin/cc $(RLDFLAGS) $^ $(RLIBS) -o $@
$(N)/containerd-shim-mote-v2: $(R_SHIM_O) $(N)/libmote.a | $(N)/deps
	@$(N)/deps/bin/cc $(RLDFLAGS) -s $^ $(RLIBS) -o $@
# A link into the cache; a host with /dev/vhost-vsock does without, so that a failure is told and no more.
$(N)/vhost-device-vsock: tools/vsock-device tools/deps.d/sources | $(SETUP)
	@mkdir -p $(@D)
	@if p=$$(tools/vsock-device | tail -n 1) && [ -n "$$p" ]; then ln -sfn "$$p" $@ && touch -h $@; fi
$(N)/mkinitrd: initrd/mkinitrd.c | $(SETUP)
	@mkdir -p $(@D)
	@gcc $(STD) $(WARN) -O2 $< -o $@
ifneq ($(CROSS),)
# The tools look beside themselves for a kernel and an initrd: each build has its own, all of this machine's kind.
$(B)/motectl $(B)/containerd-shim-mote-v2 $(B)/mkinitrd: $(B)/%: $(N)/%
	@mkdir -p $(@D)
	@cp $< $@
# A link into the cache: its target may be missing where this one is.
$(B)/vhost-device-vsock: $(N)/vhost-device-vsock
	@mkdir -p $(@D)
	@[ ! -e $< ] || { ln -sfn "$$(readlink $<)" $@ && touch -h $@; }
# What containers run in the guest.
$(B)/busybox: tools/guest-busybox $(wildcard tools/deps.d/sources.$(ARCH)) | $(SETUP)
	@mkdir -p $(@D)
	@program=$$(tools/guest-busybox $(ARCH) | tail -n 1) && ln -sfn "$$program" $@ && touch -h $@
endif

$(B)/initrd.cpio: $(B)/mkinitrd $(B)/mote-agent initrd/manifest
	@$(B)/mkinitrd -D AGENT=$(B)/mote-agent initrd/manifest $@
$(B)/initrd.img: $(B)/initrd.cpio
	@zstd -q -f -19 -T1 $< -o $@
	@echo "  initrd  $$(stat -c %s $@) bytes"

# The kernel that was asked for last lies here, with its modules, and what else there is of it: vmlinux, vmlinux.debug.
KERNEL_VARIANT ?= base
export KERNEL_VARIANT
$(B)/.kernel: FORCE
	@mkdir -p $(@D)
	@want='$(KERNEL_VARIANT) $(KERNEL) $(MOTE_KERNEL_FRAGMENTS)'; [ "$$want" = "$$(cat $@ 2>/dev/null)" ] || echo "$$want" >$@
$(B)/vmlinuz: $(B)/.kernel kernel-config/build $(wildcard kernel-config/*.* kernel-config/*/* kernel-config/*/*/*) | $(SETUP)
	@built=$$(kernel-config/build --arch $(ARCH) | tail -n 1) && rm -rf $(@D)/modules $(@D)/vmlinux $(@D)/vmlinux.debug && \
		for f in modules vmlinux vmlinux.debug; do [ ! -e "$${built%/*}/$$f" ] || cp -r "$${built%/*}/$$f" $(@D)/; done && \
		cp "$$built" $@.tmp && mv $@.tmp $@

# --- benchmark: release builds, for nothing else would be measured right -----------------------

BENCH_SRC := $(wildcard tests/bench/*.c) $(wildcard tests/lib/rig*.c) tests/lib/samples.c
BENCH_O	:= $(BENCH_SRC:%.c=$(B)/obj/%.o)

bench-programs: $(B)/mote-bench $(B)/bench/tools.erofs $(B)/bench/initrd.img

$(B)/mote-bench: $(BENCH_O) $(VMLIB_SRC:%.c=$(B)/obj/%.o) $(B)/libmote.a | $(B)/deps
	@$(B)/deps/bin/cc $(RLDFLAGS) $^ $(RLIBS) -o $@
$(B)/bench/%: tests/bench/guest/%.c Makefile | $(B)/deps
	@mkdir -p $(@D)
	@$(B)/deps/bin/cc $(RCFLAGS) $(RLDFLAGS) -s $< -o $@
$(B)/bench/tools.erofs: tests/bench/make-tools tests/bench/config.json $(B)/bench/tool
	@rm -rf $(B)/bench/root && tests/bench/make-tools $(B)/bench/root $@ $(B)/bench/tool
$(B)/bench/initrd.img: tests/bench/manifest $(B)/bench/start $(B)/bench/bare $(B)/mkinitrd $(B)/initrd.img
	@$(B)/mkinitrd -D START=$(B)/bench/start -D BARE=$(B)/bench/bare tests/bench/manifest $@.cpio
	@{ cat $(B)/initrd.img; zstd -q -c -19 -T1 $@.cpio; } >$@.tmp && mv $@.tmp $@

# --- tests ---------------------------------------------------------------------------

UNIT	:= $(patsubst tests/unit/%.c,$(H)/tests/unit/%,$(wildcard tests/unit/test_*.c))
NS	:= $(patsubst tests/ns/%.c,$(H)/tests/ns/%,$(wildcard tests/ns/test_*.c))
FAULT	:= $(patsubst tests/fault/%.c,$(H)/tests/fault/%,$(wildcard tests/fault/test_*.c))
VM	:= $(patsubst tests/vm/%.c,$(H)/tests/vm/%,$(wildcard tests/vm/test_*.c))
ZOO	:= $(patsubst tests/zoo/%.c,$(H)/tests/zoo/%,$(wildcard tests/zoo/*.c))
FUZZ	:= $(patsubst tests/fuzz/%.c,$(F)/%,$(wildcard tests/fuzz/fuzz_*.c))

$(H)/tests/%: $(H)/obj/tests/%.o $(H)/libmote.a
	@mkdir -p $(@D)
	@gcc $(HCFLAGS) $^ $(TEST_EXTRA_$(notdir $@)) -lcmocka $(HLIBS) -o $@
$(F)/fuzz_%: $(F)/obj/tests/fuzz/fuzz_%.o $(F)/libmote.a
	@clang -fsanitize=fuzzer,address,undefined $^ $(HLIBS) -o $@

# The agent of the test build runs in namespaces of this machine.
$(H)/mote-agent: $(MAIN_SRC:%.c=$(H)/obj/%.o) $(H)/libmote.a
	@gcc $(HCFLAGS) $^ $(HLIBS) -o $@

# The shim with the sanitizers: MOTE_SHIM_DIR=build/host tests/containerd/test_ctr.
$(H)/containerd-shim-mote-v2: $(H)/obj/tools/shim/main.o $(H)/libmote.a
	@gcc $(HCFLAGS) $^ $(HLIBS) -o $@

# The same with allocations that can be made to fail.
$(H)/mote-agent-fault: $(MAIN_SRC:%.c=$(H)/obj/%.o) $(H)/obj/tests/fault/alloc.o $(H)/libmote.a
	@gcc $(HCFLAGS) $^ $(HLIBS) -o $@

run: agent tools initrd kernel ## boot a VM and show a real container's output
	@tools/demo $(B)

check: $(UNIT) $(B)/mote-agent $(B)/mkinitrd ## static checks and unit tests: under a minute once built
	@tests/run --only static,unit --build $(B) --host $(H)

ifeq ($(CROSS),)
test: $(UNIT) $(FAULT) $(H)/mote-agent-fault $(NS) $(VM) $(FUZZ) $(H)/mote-agent agent tools initrd kernel bench-programs ## every layer but the long runs; with another ARCH: vm-test
	@tests/run --build $(B) --host $(H) --fuzz $(F)
else
test: vm-test
endif

# The tests are programs of this machine whatever the guest is. What measures and what runs this machine's own programs in the
# guest says itself that it does not apply.
vm-test: $(VM) $(H)/mote-agent $(NS) agent tools initrd kernel $(if $(CROSS),,bench-programs) ## the tests in VMs alone, of ARCH
	@tests/run --only vm --build $(B) --host $(H)

fuzz: $(FUZZ) ## long fuzzing: RUNS executions of each target (10 million by default)
	@tests/run --only fuzz --runs $${RUNS:-10000000} --limit 14400 --fuzz $(F)

fault: $(FAULT) $(H)/mote-agent-fault ## each system call and allocation of every scenario of the create path failing
	@MOTE_FAULT=whole tests/run --only fault --limit 14400 --build $(B) --host $(H) -v

# The second kernel: what is off until it is asked for, and is tested.
MORE	:= $(patsubst %,$(CURDIR)/kernel-config/optional/%.config,vfio xfs)

zoo: $(ZOO) agent tools initrd kernel deb ## real software of the distribution in VMs: nginx, PostgreSQL, systemd…; a second kernel (root; minutes)
	@tests/zoo/roots >/dev/null
	@kernel=$$(MOTE_KERNEL_FRAGMENTS="$(MORE)" kernel-config/build --arch $(ARCH) | tail -n 1) && \
		MOTE_MORE_KERNEL=$$kernel tests/run --only zoo -v --build $(B) --host $(H)

containerd-zoo: agent tools initrd kernel ## pods and containers by containerd 2.1 and 1.7 as they come from their packages (root; many minutes)
	@tests/containerd/packages >/dev/null
	@tests/run --only containerd -v --build $(B) --host $(H)

image-zoo: agent tools initrd kernel ## every flavour in every format of a rootfs image, booted in every way (root; many minutes)
	@MOTE_IMAGE_ZOO=1 tests/run --only vm --match vm/test_image --limit 14400 -v --build $(B) --host $(H)

# Only this machine's own architecture is worth measuring.
bench lives: $(if $(CROSS),cannot-measure)
cannot-measure:
	@echo "ARCH=$(ARCH): only this machine's own architecture ($(OWN)) is measured" >&2; exit 1
bench: bench-programs all ## measure the agent beside its floors (BENCH="--verbose", "--json", "--help")
	@MOTE_BUILD=$(CURDIR)/$(B) $(B)/mote-bench $(BENCH)

LIVES	?= 10000
lives: bench-programs all ## LIVES containers (10,000), one after the other in one VM: nothing may be left of them
	@MOTE_BUILD=$(CURDIR)/$(B) $(B)/mote-bench --only lives --lives $(LIVES)

PREFIX	?= /usr/local
install: agent tools initrd kernel ## install agent, tools and guest artefacts (DESTDIR, PREFIX)
	install -D -m 755 $(B)/motectl $(DESTDIR)$(PREFIX)/bin/motectl
	install -D -m 755 $(B)/containerd-shim-mote-v2 $(DESTDIR)$(PREFIX)/bin/containerd-shim-mote-v2
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/libexec/mote/rootfs-builder rootfs-builder/check rootfs-builder/inspect
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/libexec/mote/rootfs-builder rootfs-builder/*.py
	[ ! -x $(B)/vhost-device-vsock ] || install -D -m 755 $(B)/vhost-device-vsock $(DESTDIR)$(PREFIX)/libexec/mote/vhost-device-vsock
	install -D -m 755 $(B)/mote-agent $(DESTDIR)$(PREFIX)/share/mote/mote-agent
	install -D -m 644 $(B)/initrd.img $(DESTDIR)$(PREFIX)/share/mote/initrd.img
	install -D -m 644 $(B)/vmlinuz $(DESTDIR)$(PREFIX)/share/mote/vmlinuz
	[ ! -f $(B)/vmlinux ] || install -D -m 644 $(B)/vmlinux $(DESTDIR)$(PREFIX)/share/mote/vmlinux
	for u in agent/systemd/*; do install -D -m 644 $$u $(DESTDIR)$(PREFIX)/share/mote/systemd/$${u##*/}; done
	for m in docs/man/*.[18]; do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

deb: agent tools initrd kernel ## a Debian package of the host tools and what their guests boot
	@rm -rf $(B)/deb && $(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/$(B)/deb PREFIX=/usr >/dev/null
	@tools/make-deb $(B)/deb $(ARCH) $(VERSION) $(B)

install-guest: agent ## install agent and units into a guest's root that has systemd (DESTDIR: the root)
	@[ -d "$(DESTDIR)" ] || { echo "install-guest: wants DESTDIR=ROOT, a directory" >&2; exit 1; }
	install -D -m 755 $(B)/mote-agent $(DESTDIR)/usr/bin/kata-agent
	for u in agent/systemd/*; do install -D -m 644 $$u $(DESTDIR)/usr/lib/systemd/system/$${u##*/}; done

clean: ## remove build/ (the cache outside stays)
	rm -rf build

FORCE:

.PHONY: FORCE containerd-zoo kernel-menuconfig kernel-report help all setup deps agent tools initrd kernel rootfs run check test vm-test fuzz fault zoo bench lives bench-programs cannot-measure install clean check-image image-zoo install-guest deb

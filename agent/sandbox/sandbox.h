/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: one sandbox (the machine) and its containers. Both fronts, Kata's and containerd's,
 * translate onto these verbs. The sandbox lives with no container and no process in it: the
 * namespaces that its containers share are held by descriptors.
 *
 * Nothing here waits. Verbs that take time tell `done` from the loop, once; their arguments must
 * live until then, unless said otherwise.
 */
#ifndef MOTE_SANDBOX_SANDBOX_H
#define MOTE_SANDBOX_SANDBOX_H

#include "container/container.h"
#include "device/device.h"
#include "kernel/module.h"
#include "sandbox/generation.h"
#include "sandbox/hotplug.h"
#include "sandbox/mem_agent.h"
#include "sandbox/metrics.h"
#include "sandbox/oom.h"
#include "sandbox/passed.h"
#include "sandbox/pause.h"
#include "sandbox/shares.h"
#include "sandbox/storages.h"

#define SANDBOX_RUN_DIR "/run/kata-containers"
#define SANDBOX_DIR     SANDBOX_RUN_DIR "/sandbox"
#define SANDBOX_SHARED_DIR SANDBOX_RUN_DIR "/shared/containers" /* what the host shows */
#define SANDBOX_NS_DIR  "/run/sandbox-ns" /* /var/run is a link to /run where there is one */

#define CDI_TIMEOUT_MS 100000

enum sandbox_flags {
	SANDBOX_INIT = 0x1, /* this is PID 1 of a machine: destroying the sandbox powers it off */
};

struct sandbox_opts {
	unsigned int flags;
	uint64_t hotplug_timeout_ms;
	uint64_t cdi_timeout_ms; /* 0: CDI_TIMEOUT_MS */
	bool visible_cdi_devices; /* the variable VISIBLE_CDI_DEVICES names devices, too */
	size_t pipe_bytes; /* of container output; 0: the kernel's default */
	const char *version;
	struct mem_agent_config mem_agent;
	void (*shutdown)(void *arg); /* after sandbox_destroy: stop serving, then end */
	void *shutdown_arg;
};

enum sandbox_state { SANDBOX_EMPTY, SANDBOX_CREATING, SANDBOX_READY, SANDBOX_DESTROYED };

enum sandbox_ns { SANDBOX_NS_IPC, SANDBOX_NS_UTS, SANDBOX_NS_COUNT };

typedef void (*sandbox_done_fn)(void *owner, const struct err *e);

struct sandbox {
	struct loop *loop;
	struct sandbox_opts opts;
	enum sandbox_state state;
	char id[128], hostname[65];
	bool has_pod_files;
	struct container_host host;
	struct cgroup_root cgroups;
	struct oom_queue oom;
	struct list containers;
	struct container *
		pid_owner; /* the first container: whose pid namespace others may share. Borrowed */
	struct device_monitor *monitor;
	struct generation generation;
	struct hotplug hotplug;
	struct storages storages;
	struct storage_refs own;    /* the sandbox's storages */
	int nsfd[SANDBOX_NS_COUNT]; /* -1: not shared */
	struct {
		size_t left; /* what is still under way, plus one for the call itself */
		bool over;   /* nothing is waited for any more */
		struct timer deadline;
		sandbox_done_fn done;
		void *owner;
	} destroy; /* in SANDBOX_DESTROYED */
	struct arena arena;         /* the guest's hooks */
	struct metrics metrics;
	struct mem_agent mem_agent;
	struct passed passed;
	struct shares shares;
	struct pause pause; /* holds the pod's process namespace where no pause container does */
};

/* What CreateSandbox says. Strings never NULL. */
struct sandbox_spec {
	const char *id, *hostname;
	char **dns; /* whole lines of a resolv.conf */
	size_t n_dns;
	const struct storage_req *storages;
	size_t n_storages;
	const char *guest_hooks; /* a directory of the guest; "": none */
	/* hosts, hostname and resolv.conf for the pod's containers are made in SANDBOX_DIR, where a
	 * storage puts shm */
	bool pod_files;
	struct spec_pairs sysctls; /* of the pod's namespaces */
	const struct module *modules; /* of the kernel: loaded before everything else, and they stay */
	size_t n_modules;
};

/* A mount of a running container of the pod that another one shall see too. Containers by the names
 * that the pod's spec gives them (an annotation of each), paths inside of them. */
struct sandbox_shared_mount {
	const char *name, *src_ctr, *src_path, *dst_ctr, *dst_path;
};

/* A device that a container shall have (Kata's grpc.Device): which one, in the words of its type, and
 * the node of the spec's that it is behind. Strings never NULL. */
struct sandbox_device {
	const char *type, *id, *vm_path, *container_path;
	char **options;
	size_t n_options;
};

/* What CreateContainer says besides the spec, which the caller has built in container->spec. */
struct sandbox_container {
	struct container
		*container; /* of sandbox_container_new; the sandbox's from the call of create on */
	const struct sandbox_device *devices;
	size_t n_devices;
	const struct storage_req *storages;
	size_t n_storages;
	bool share_pid; /* the pod's containers see each other's processes */
	const struct sandbox_shared_mount *shared_mounts;
	size_t n_shared_mounts;
};

struct sandbox *sandbox_new(struct loop *l, const struct sandbox_opts *opts, struct err *e);
void sandbox_free(struct sandbox *s);

/* Loads modules, prepares the run directory, the shared ipc and uts namespaces with the hostname, storages,
 * resolv.conf. A second call while the sandbox exists is FAILED_PRECONDITION; after a failure it
 * may be tried again. */
void sandbox_create(struct sandbox *s, const struct sandbox_spec *spec, uint64_t deadline_ms,
		    sandbox_done_fn done, void *owner);

/* Kills and removes every container, also those that are being created (they fail), then
 * opts.shutdown; at the deadline without what is still left. done runs before the shutdown. A second
 * call is FAILED_PRECONDITION. */
void sandbox_destroy(struct sandbox *s, uint64_t deadline_ms, sandbox_done_fn done, void *owner);

/* The container of that id, also one that is being created or removed; NULL with e NOT_FOUND
 * `container "x": not found`. */
struct container *sandbox_find(struct sandbox *s, const char *id, struct err *e);

/* A container object with that id, reserved in the table at once: ALREADY_EXISTS else,
 * INVALID_ARGUMENT for the name of a directory of the agent's own. To be filled and given to
 * sandbox_container_create, or given back with sandbox_container_drop. */
struct container *sandbox_container_new(struct sandbox *s, const char *id, struct err *e);
void sandbox_container_drop(struct sandbox *s, struct container *c);

/* Devices, storages, shared namespaces, rootfs, cgroup, first process up to its start. On failure everything
 * is undone and the container is gone. */
void sandbox_container_create(struct sandbox *s, const struct sandbox_container *what,
			      uint64_t deadline_ms, sandbox_done_fn done, void *owner);

/* Kills, waits for the end, gives storages back, forgets. While a removal is under way a second one
 * shares its outcome; while the create is, FAILED_PRECONDITION. */
void sandbox_container_remove(struct sandbox *s, struct container *c, uint64_t deadline_ms,
			      sandbox_done_fn done, void *owner);

/* SIGKILL to every process of every container; the containers stay, and the sandbox. */
void sandbox_kill_all(struct sandbox *s);

size_t sandbox_container_count(const struct sandbox *s);

#endif

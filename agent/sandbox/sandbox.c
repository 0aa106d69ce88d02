/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's own life: made empty at boot, created by the host's first word, destroyed at the
 * end. Containers come and go in containers.c.
 *
 * The shared ipc and uts namespaces are made by this process (unshare, hold, return) and held by
 * descriptor, so no process has to live in them; a job binds them to files for whoever joins by
 * path.
 */
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "sandbox/guest_hooks.h"
#include "sandbox/members.h"
#include "sandbox/pod_files.h"

#define ARENA_MAX   (256u << 10) /* bytes for what is kept of CreateSandbox */
#define RESOLV_CONF SANDBOX_DIR "/resolv.conf"

static const struct {
	enum ns_type type;
	const char *path;
} shared_ns[SANDBOX_NS_COUNT] = {
	[SANDBOX_NS_IPC] = { NS_IPC, SANDBOX_NS_DIR "/ipc" },
	[SANDBOX_NS_UTS] = { NS_UTS, SANDBOX_NS_DIR "/uts" },
};

const char *sandbox_ns_path(const struct sandbox *s, enum sandbox_ns ns)
{
	return s->nsfd[ns] >= 0 ? shared_ns[ns].path : NULL;
}

static void on_memory(void *arg)
{
	struct sandbox *s = arg;

	hotplug_memory(&s->hotplug);
}

static void on_oom(void *arg, const char *id)
{
	struct sandbox *s = arg;
	struct err e = { 0 };
	struct container *c = sandbox_find(s, id, &e);

	if (c && c->front && c->front->oom)
		c->front->oom(c);
	else
		oom_queue_add(&s->oom, id);
}

struct sandbox *sandbox_new(struct loop *l, const struct sandbox_opts *opts, struct err *e)
{
	struct sandbox *s = mem_new(1, sizeof(*s));
	int r;

	if (!s) {
		err_sys(e, ENOMEM, "sandbox");
		return NULL;
	}
	r = cgroup_detect(CGROUP_ROOT, &s->cgroups);
	if (r < 0)
		log_warn("sandbox", "cgroups: %s; containers run without limits", strerror(-r));
	s->loop = l;
	s->opts = *opts;
	s->host = (struct container_host){
		.loop = l,
		.run_dir = SANDBOX_RUN_DIR,
		.pipe_bytes = opts->pipe_bytes,
		.cgroups = &s->cgroups,
		.oom = on_oom,
		.oom_arg = s,
	};
	oom_queue_init(&s->oom);
	arena_init(&s->arena, ARENA_MAX);
	pause_init(&s->pause, l);
	metrics_init(&s->metrics, l, &s->generation);
	passed_init(&s->passed, l);
	list_init(&s->containers);
	for (size_t i = 0; i < SANDBOX_NS_COUNT; i++)
		s->nsfd[i] = -1;
	s->monitor = device_monitor_new(l, "/sys", e);
	if (!s->monitor) {
		free(s);
		return NULL;
	}
	s->hotplug.loop = l;
	device_monitor_on_memory(s->monitor, on_memory, s);
	generation_start(&s->generation, l);
	mem_agent_init(&s->mem_agent, s, &opts->mem_agent);
	storages_init(&s->storages, l, s->monitor, opts->hotplug_timeout_ms);
	storage_refs_init(&s->own);
	return s;
}

static void close_namespaces(struct sandbox *s)
{
	for (size_t i = 0; i < SANDBOX_NS_COUNT; i++)
		auto_close(&s->nsfd[i]);
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	sandbox_containers_fini(s);
	pause_fini(&s->pause);
	passed_fini(&s->passed);
	shares_fini(&s->shares);
	mem_agent_fini(&s->mem_agent);
	storage_refs_fini(&s->own);
	storages_fini(&s->storages);
	oom_queue_fini(&s->oom);
	cgroup_root_fini(&s->cgroups);
	generation_stop(&s->generation);
	device_monitor_free(s->monitor);
	close_namespaces(s);
	arena_fini(&s->arena);
	free(s);
}

/* --- create --------------------------------------------------------------------------- */

struct creating {
	struct steps steps;
	struct sandbox *sandbox;
	const struct sandbox_spec *spec;
	uint64_t deadline_ms;
	sandbox_done_fn done;
	void *owner;
	struct deferred start;
};

static struct creating *creating_of(struct steps *st)
{
	return container_of(st, struct creating, steps);
}

static int modules_job(void *arg, void *out UNUSED, size_t out_cap UNUSED, size_t *out_len UNUSED,
		       struct err *e)
{
	const struct sandbox_spec *spec = ((struct creating *)arg)->spec;

	for (size_t i = 0; i < spec->n_modules; i++)
		if (module_load(&spec->modules[i], e) < 0)
			return err_ctx(e, "\"%.64s\"", spec->modules[i].name);
	return 0;
}

static void modules_done(void *owner, const struct err *e, const void *out UNUSED,
			 size_t out_len UNUSED)
{
	struct creating *c = owner;

	steps_resume(&c->steps, e);
}

static enum step_result load_modules(struct steps *st, struct err *e)
{
	struct creating *c = creating_of(st);
	struct job_opts opts = { .what = "load kernel modules", .deadline_ms = c->deadline_ms };

	if (!c->spec->n_modules)
		return STEP_DONE;
	return job_start(c->sandbox->loop, &opts, modules_job, c, modules_done, c, e) ? STEP_PARK
										     : STEP_FAIL;
}

static enum step_result make_namespaces(struct steps *st, struct err *e)
{
	struct sandbox *s = creating_of(st)->sandbox;

	for (size_t i = 0; i < SANDBOX_NS_COUNT; i++) {
		int fd = ns_make(shared_ns[i].type);

		if (fd < 0) {
			err_sys(e, -fd, "make a new %s namespace", ns_info(shared_ns[i].type)->oci);
			close_namespaces(s);
			return STEP_FAIL;
		}
		s->nsfd[i] = fd;
	}
	return STEP_DONE;
}

static void undo_namespaces(struct steps *st)
{
	close_namespaces(creating_of(st)->sandbox);
}

/* Job: what the sandbox needs on disk. */
static int prepare_dirs(struct err *e)
{
	AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD run = root < 0 ? -errno : path_mkdirs_in(root, SANDBOX_RUN_DIR, 0755);
	AUTO_FD shared = run < 0 ? -1 : path_mkdirs_in(run, "shared/containers", 0755);
	AUTO_FD own = run < 0 ? -1 : path_mkdirs_in(run, "sandbox", 0755);
	AUTO_FD ns = root < 0 ? -1 : path_mkdirs_in(root, SANDBOX_NS_DIR, 0755);

	if (run < 0)
		return err_sys(e, -run, "make " SANDBOX_RUN_DIR);
	if (shared < 0 || own < 0)
		return err_sys(e, shared < 0 ? -shared : -own, "make what is in " SANDBOX_RUN_DIR);
	return ns < 0 ? err_sys(e, -ns, "make " SANDBOX_NS_DIR) : 0;
}

static int bind_namespaces(const struct sandbox *s, const char *hostname, struct err *e)
{
	for (size_t i = 0; i < SANDBOX_NS_COUNT; i++)
		if (ns_bind(s->nsfd[i], shared_ns[i].path, e) < 0)
			return err_ctx(e, "keep the %s namespace", ns_info(shared_ns[i].type)->oci);
	if (!*hostname)
		return 0;
	if (ns_join(s->nsfd[SANDBOX_NS_UTS], NS_UTS) < 0 ||
	    sethostname(hostname, strlen(hostname)) < 0)
		return err_sys(e, errno, "set the hostname");
	return 0;
}

/* The guest's own resolver file; containers get theirs by mounts of their spec. */
static int write_resolv_conf(const struct sandbox_spec *spec, struct err *e)
{
	char text[4096];
	struct str s = STR_OVER(text);
	int r;

	if (!spec->n_dns || access("/etc/resolv.conf", F_OK) < 0)
		return 0;
	for (size_t i = 0; i < spec->n_dns; i++)
		str_addf(&s, "%s\n", spec->dns[i]);
	if (!str_ok(&s))
		return err_set(e, RC_INVALID_ARGUMENT, "dns: more than %zu bytes",
			       sizeof(text) - 1);
	r = io_create_file(AT_FDCWD, RESOLV_CONF, s.buf, s.len, 0644);
	if (r < 0)
		return err_sys(e, -r, "write " RESOLV_CONF);
	if (mount(RESOLV_CONF, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		return err_sys(e, errno, "bind " RESOLV_CONF " on /etc/resolv.conf");
	return 0;
}

static void unbind_namespaces(void)
{
	for (size_t i = 0; i < SANDBOX_NS_COUNT; i++)
		ns_unbind(shared_ns[i].path);
}

static int prepare_job(void *arg, void *out, size_t out_cap, size_t *out_len, struct err *e)
{
	struct creating *c = arg;

	if (!str_empty(c->spec->guest_hooks))
		*out_len = guest_hooks_scan(c->spec->guest_hooks, out, out_cap);
	if (prepare_dirs(e) < 0 || bind_namespaces(c->sandbox, c->spec->hostname, e) < 0)
		return -1;
	if (pod_files_make(c->spec, e) < 0 || pod_sysctls_set(c->spec, c->sandbox->nsfd, e) < 0)
		return -1;
	return write_resolv_conf(c->spec, e);
}

/* Whatever part of it was done, also by a helper that died. The directories stay. */
static void undo_prepare(struct steps *st)
{
	struct stat ours, used;

	(void)st;
	unbind_namespaces();
	if (stat(RESOLV_CONF, &ours) < 0)
		return;
	if (stat("/etc/resolv.conf", &used) == 0 && used.st_dev == ours.st_dev &&
	    used.st_ino == ours.st_ino)
		umount2("/etc/resolv.conf", MNT_DETACH);
	unlink(RESOLV_CONF);
}

static void prepare_done(void *owner, const struct err *e, const void *out, size_t out_len)
{
	struct creating *c = owner;
	struct sandbox *s = c->sandbox;
	struct err failed = *e;

	arena_fini(&s->arena);
	arena_init(&s->arena, ARENA_MAX);
	if (!err_is_set(e) && out_len) {
		const char *dir = arena_strdup(&s->arena, c->spec->guest_hooks);
		int r = dir ? guest_hooks_take(dir, out, out_len, &s->arena, &s->host.guest_hooks) :
			      -ENOMEM;

		if (r < 0)
			err_sys(&failed, -r, "guest hooks");
	}
	if (err_is_set(&failed))
		undo_prepare(&c->steps);
	steps_resume(&c->steps, &failed);
}

static enum step_result prepare(struct steps *st, struct err *e)
{
	struct creating *c = creating_of(st);
	struct job_opts opts = {
		.what = "prepare the sandbox",
		.deadline_ms = c->deadline_ms,
		.keep_fds = c->sandbox->nsfd,
		.n_keep_fds = SANDBOX_NS_COUNT,
		.out_max = GUEST_HOOKS_MAX,
	};

	return job_start(c->sandbox->loop, &opts, prepare_job, c, prepare_done, c, e) ? STEP_PARK
										      : STEP_FAIL;
}

static void storages_done(void *owner, const struct err *e)
{
	struct creating *c = owner;

	steps_resume(&c->steps, e);
}

static enum step_result add_storages(struct steps *st, struct err *e)
{
	struct creating *c = creating_of(st);

	(void)e;
	storages_add(&c->sandbox->storages, &c->sandbox->own, NULL, c->spec->storages,
		     c->spec->n_storages, c->deadline_ms, storages_done, c);
	return STEP_PARK;
}

static const struct step create_steps[] = {
	{ "kernel_modules", load_modules, NULL },
	{ "namespaces", make_namespaces, undo_namespaces },
	{ "prepare", prepare, undo_prepare },
	{ "storages", add_storages, NULL },
	{ 0 },
};

static void destroy_one_less(void *owner, const struct err *e);

static void create_finished(struct steps *st)
{
	struct creating *c = creating_of(st);
	struct sandbox *s = c->sandbox;
	struct err e = st->err, none = { 0 };
	bool has_files = c->spec->pod_files;
	sandbox_done_fn done = c->done;
	void *owner = c->owner;

	free(c);
	if (s->state == SANDBOX_DESTROYED) {
		err_set(&e, RC_FAILED_PRECONDITION, "destroyed meanwhile");
		done(owner, &e);
		destroy_one_less(s, &none);
		return;
	}
	s->state = err_is_set(&e) ? SANDBOX_EMPTY : SANDBOX_READY;
	s->has_pod_files = !err_is_set(&e) && has_files;
	if (!err_is_set(&e))
		log_info("sandbox", "sandbox \"%s\" is ready", s->id);
	done(owner, &e);
}

static void create_start(struct deferred *d)
{
	struct creating *c = container_of(d, struct creating, start);

	steps_start(&c->steps, create_steps, create_finished);
}

static int admit(struct sandbox *s, const struct sandbox_spec *spec, struct err *e)
{
	if (s->state != SANDBOX_EMPTY)
		return err_set(e, RC_FAILED_PRECONDITION, "sandbox \"%s\" exists already", s->id);
	if (strlen(spec->id) >= sizeof(s->id))
		return err_set(e, RC_INVALID_ARGUMENT, "sandbox_id: longer than %zu characters",
			       sizeof(s->id) - 1);
	if (strlen(spec->hostname) >= sizeof(s->hostname))
		return err_set(e, RC_INVALID_ARGUMENT, "hostname: longer than %zu characters",
			       sizeof(s->hostname) - 1);
	return spec_validate_sysctls(&spec->sysctls, e);
}

void sandbox_create(struct sandbox *s, const struct sandbox_spec *spec, uint64_t deadline_ms,
		    sandbox_done_fn done, void *owner)
{
	struct err e = { 0 };
	struct creating *c;

	if (admit(s, spec, &e) < 0) {
		done(owner, &e);
		return;
	}
	c = mem_new(1, sizeof(*c));
	if (!c) {
		err_sys(&e, ENOMEM, "sandbox");
		done(owner, &e);
		return;
	}
	*c = (struct creating){
		.sandbox = s, .spec = spec, .deadline_ms = deadline_ms, .done = done, .owner = owner
	};
	memcpy(s->id, spec->id, strlen(spec->id) + 1);
	memcpy(s->hostname, spec->hostname, strlen(spec->hostname) + 1);
	s->state = SANDBOX_CREATING;
	list_init(&c->start.node);
	loop_defer(s->loop, &c->start, create_start);
}

/* --- destroy ---------------------------------------------------------------------------- */

#define RELEASE_MS 5000

/* What could not be undone is logged and goes down with the machine. */
static void destroy_finished(void *owner, const struct err *e)
{
	struct sandbox *s = owner;
	struct err none = { 0 };

	if (err_is_set(e))
		log_warn("sandbox", "destroy: %s", e->msg);
	pause_end(&s->pause);
	log_info("sandbox", "sandbox \"%s\" is destroyed", s->id);
	s->destroy.done(s->destroy.owner, &none);
	s->opts.shutdown(s->opts.shutdown_arg);
}

static void destroy_finish(struct sandbox *s)
{
	s->destroy.over = true;
	timer_cancel(&s->destroy.deadline);
	storages_release(&s->storages, &s->own, clock_after(RELEASE_MS), destroy_finished, s);
}

static void destroy_late(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, destroy.deadline);

	log_warn("sandbox", "destroy: %zu containers are left", s->destroy.left);
	destroy_finish(s);
}

static void destroy_one_less(void *owner, const struct err *e)
{
	struct sandbox *s = owner;

	if (err_is_set(e))
		log_warn("sandbox", "destroy: %s", e->msg);
	if (!--s->destroy.left && !s->destroy.over)
		destroy_finish(s);
}

void sandbox_destroy(struct sandbox *s, uint64_t deadline_ms, sandbox_done_fn done, void *owner)
{
	struct err e = { 0 };
	struct member *m;

	if (s->state == SANDBOX_DESTROYED) {
		err_set(&e, RC_FAILED_PRECONDITION, "sandbox \"%s\" is destroyed already", s->id);
		done(owner, &e);
		return;
	}
	s->destroy.done = done;
	s->destroy.owner = owner;
	s->destroy.left = s->state == SANDBOX_CREATING ? 2 : 1;
	s->state = SANDBOX_DESTROYED;
	timer_arm(s->loop, &s->destroy.deadline, deadline_ms, destroy_late);
	LIST_EACH(m, &s->containers, struct member, node) {
		s->destroy.left++;
		if (m->state == MEMBER_CREATING) /* it fails, and says so when it is cleared away */
			member_join(m, destroy_one_less, s);
		else
			sandbox_container_remove(s, m->container, deadline_ms, destroy_one_less, s);
	}
	destroy_one_less(s, &e);
}

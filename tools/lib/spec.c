/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for every container is the JSON text below, read by pbjson; the rest is set in
 * the message. As a Kata host does it, there is no network and no pid namespace in the list: the VM
 * is the one, the agent adds the other.
 */
#include "lib/spec.h"

#include "base/str.h"
#include "lib/pbjson.h"

#define IMAGE_DIR	"/run/kata-containers/sandbox/storage/rootfs"
#define CPU_PERIOD_US	100000
#define CAPABILITIES \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\"," \
	"\"CAP_NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\"," \
	"\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

#define MOUNT(destination, type, source, options) \
	"{\"destination\":\"" destination "\",\"type\":\"" type "\",\"source\":\"" source \
	"\",\"options\":[" options "]}"
#define CLOSED	"\"nosuid\",\"noexec\",\"nodev\""

/* clang-format off */
static const char template[] =
	"{\"OCI\":{\"Version\":\"1.1.0\","
	"\"Process\":{\"Cwd\":\"/\",\"NoNewPrivileges\":true,"
	"\"Capabilities\":{\"Bounding\":" CAPABILITIES ",\"Effective\":" CAPABILITIES ","
	"\"Permitted\":" CAPABILITIES "},"
	"\"Rlimits\":[{\"Type\":\"RLIMIT_NOFILE\",\"Hard\":1048576,\"Soft\":1024}]},"
	"\"Root\":{},"
	"\"Mounts\":["
	MOUNT("/proc", "proc", "proc", CLOSED) ","
	MOUNT("/dev", "tmpfs", "tmpfs",
	      "\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"") ","
	MOUNT("/dev/pts", "devpts", "devpts",
	      "\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"") ","
	MOUNT("/dev/shm", "tmpfs", "shm", CLOSED ",\"mode=1777\",\"size=65536k\"") ","
	MOUNT("/dev/mqueue", "mqueue", "mqueue", CLOSED) ","
	MOUNT("/sys", "sysfs", "sysfs", CLOSED ",\"ro\"") ","
	MOUNT("/sys/fs/cgroup", "cgroup", "cgroup", CLOSED ",\"relatime\",\"ro\"")
	"],"
	"\"Annotations\":{\"io.katacontainers.pkg.oci.container_type\":\"single_container\"},"
	"\"Linux\":{\"Resources\":{},"
	"\"Namespaces\":[{\"Type\":\"ipc\"},{\"Type\":\"uts\"},{\"Type\":\"mount\"},"
	"{\"Type\":\"cgroup\"}],"
	"\"MaskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
	"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
	"\"/proc/sched_debug\",\"/proc/scsi\",\"/sys/firmware\"],"
	"\"ReadonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
	"\"/proc/sysrq-trigger\"]"
	"}}}";
/* clang-format on */

/* Collects copies of texts; a failed allocation is noticed once, at the end. */
struct texts {
	struct arena *arena;
	char **items;
	size_t n, cap;
	bool failed;
};

static void texts_add(struct texts *t, const char *text)
{
	char *copy = arena_strdup(t->arena, text);

	if (!copy || t->n == t->cap)
		t->failed = true;
	else
		t->items[t->n++] = copy;
}

static struct texts texts_new(struct arena *a, size_t cap)
{
	struct texts t = { .arena = a, .items = ARENA_ARRAY(a, char *, cap), .cap = cap };

	t.failed = !t.items;
	if (t.failed)
		t.cap = 0;
	return t;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static bool set_args(struct arena *a, const struct spec_opts *o, Grpc__Process *p)
{
	struct texts t = texts_new(a, count(o->args));

	for (const char *const *s = o->args; *s; s++)
		texts_add(&t, *s);
	p->args = t.items;
	p->n_args = t.n;
	return !t.failed;
}

/* Does `list` set the variable that `text` sets? */
static bool sets(const char *const *list, const char *text)
{
	size_t n = strcspn(text, "=") + 1;

	for (; list && *list; list++) {
		if (strncmp(*list, text, n) == 0)
			return true;
	}
	return false;
}

static bool set_env(struct arena *a, const struct spec_opts *o, Grpc__Process *p)
{
	struct texts t = texts_new(a, count(o->env) + 2);
	char term[64];
	struct str s = STR_OVER(term);

	str_addf(&s, "TERM=%s", o->term ? o->term : "");
	if (!sets(o->env, SPEC_PATH))
		texts_add(&t, SPEC_PATH);
	if (o->term && str_ok(&s) && !sets(o->env, term))
		texts_add(&t, term);
	for (const char *const *e = o->env; e && *e; e++) {
		if (!sets(e + 1, *e))	/* the last one of a name counts */
			texts_add(&t, *e);
	}
	p->env = t.items;
	p->n_env = t.n;
	return !t.failed;
}

static bool set_user(struct arena *a, const struct user *user, Grpc__Process *p)
{
	Grpc__User *u = ARENA_NEW(a, Grpc__User);

	if (!u)
		return false;
	grpc__user__init(u);
	p->user = u;
	u->uid = user->uid;
	u->gid = user->gid;
	u->n_additionalgids = user->n_groups;
	u->additionalgids = arena_memdup(a, user->groups, user->n_groups * sizeof(user->groups[0]));
	return u->additionalgids;
}

static bool set_process(struct arena *a, const struct spec_opts *o, Grpc__Process *p)
{
	if (o->cwd)
		p->cwd = arena_strdup(a, o->cwd);
	p->terminal = o->term != NULL;
	if (o->term && o->rows && o->columns) {
		Grpc__Box *box = ARENA_NEW(a, Grpc__Box);

		if (!box)
			return false;
		grpc__box__init(box);
		box->height = o->rows;
		box->width = o->columns;
		p->consolesize = box;
	}
	return p->cwd && set_args(a, o, p) && set_env(a, o, p) && set_user(a, o->user, p);
}

static bool set_resources(struct arena *a, const struct spec_opts *o, Grpc__LinuxResources *r)
{
	if (o->memory_bytes) {
		r->memory = ARENA_NEW(a, Grpc__LinuxMemory);
		if (!r->memory)
			return false;
		grpc__linux_memory__init(r->memory);
		r->memory->limit = (int64_t)o->memory_bytes;
	}
	if (o->cpu_us_per_second) {
		r->cpu = ARENA_NEW(a, Grpc__LinuxCPU);
		if (!r->cpu)
			return false;
		grpc__linux_cpu__init(r->cpu);
		r->cpu->period = CPU_PERIOD_US;
		r->cpu->quota = (int64_t)MAX(o->cpu_us_per_second / (1000000 / CPU_PERIOD_US),
					     (uint64_t)1000);
	}
	return true;
}

/* One storage; the texts are literals of this file or belong to the arena. */
static Grpc__Storage *storage(struct arena *a, const char *driver, const char *source,
			      const char *fstype, const char *mount_point)
{
	Grpc__Storage *s = ARENA_NEW(a, Grpc__Storage);

	if (!s || !mount_point)
		return NULL;
	grpc__storage__init(s);
	s->driver = arena_strdup(a, driver);
	s->source = arena_strdup(a, source);
	s->fstype = arena_strdup(a, fstype);
	s->mount_point = arena_strdup(a, mount_point);
	return s->driver && s->source && s->fstype && s->mount_point ? s : NULL;
}

static bool set_options(struct arena *a, Grpc__Storage *s, const char *const *options)
{
	struct texts t = texts_new(a, count(options));

	for (; *options; options++)
		texts_add(&t, *options);
	s->options = t.items;
	s->n_options = t.n;
	return !t.failed;
}

static bool set_storages(struct arena *a, const struct spec_opts *o,
			 Grpc__CreateContainerRequest *r)
{
	static const char *const readonly[] = { "ro", NULL };
	static const char *const overlay[] = { "lowerdir=" IMAGE_DIR,
					       "io.katacontainers.fs-opt.overlay-rw", NULL };
	const char *format =
		o->share_tag ? SPEC_SHARE_DIR "/%s/rootfs" : "/run/kata-containers/%s/rootfs";
	char *root = arena_printf(a, format, o->id);

	r->storages = ARENA_ARRAY(a, Grpc__Storage *, 2);
	if (!r->storages || !root)
		return false;
	r->oci->root->path = root;
	if (o->share_tag) {
		r->n_storages = 1;
		r->storages[0] = storage(a, "virtio-fs", o->share_tag, "virtiofs", root);
		return r->storages[0];
	}
	r->n_storages = 2;
	r->storages[0] = storage(a, "blk", o->image_pci_path, o->image_fstype, IMAGE_DIR);
	r->storages[1] = storage(a, "overlayfs", "overlay", "overlay", root);
	return r->storages[0] && r->storages[1] && set_options(a, r->storages[0], readonly) &&
	       set_options(a, r->storages[1], overlay);
}

Grpc__CreateContainerRequest *spec_build(struct arena *a, const struct spec_opts *o, struct err *e)
{
	Grpc__CreateContainerRequest *r = (Grpc__CreateContainerRequest *)pbjson_read(
		a, &grpc__create_container_request__descriptor, template, strlen(template), e);
	char *cgroup = arena_printf(a, "/motectl/%s", o->id);

	if (!r)
		return NULL;
	r->container_id = arena_strdup(a, o->id);
	r->exec_id = arena_strdup(a, o->id);
	r->oci->hostname = arena_strdup(a, o->hostname);
	r->oci->linux->cgroupspath = cgroup;
	if (r->container_id && r->exec_id && r->oci->hostname && cgroup &&
	    set_process(a, o, r->oci->process) && set_resources(a, o, r->oci->linux->resources) &&
	    set_storages(a, o, r))
		return r;
	err_set(e, RC_RESOURCE_EXHAUSTED, "the container's spec: no memory");
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* CopyFile, GetVolumeStats, ResizeVolume, UpdateEphemeralMounts, RemoveStaleVirtiofsShareMounts,
 * GetDiagnosticData. */
#include "base/io.h"
#include "event/work.h"
#include "sandbox/copy_file.h"
#include "sandbox/last_word.h"
#include "sandbox/volumes.h"
#include "service/convert.h"
#include "service/kata/kata.h"

static void do_work(struct call *c, const char *what, size_t out_max, work_fn fn, work_done_fn done)
{
	const struct work_opts opts = { .what = what,
					.deadline_ms = verb_deadline(c),
					.out_max = out_max };

	work_start(kata_of(c)->sandbox->loop, &opts, fn, c, done, c);
}

/* --- CopyFile: the data stays in the call's memory, which the job sees --- */

static int copy(void *arg, int out UNUSED, struct err *e)
{
	const Grpc__CopyFileRequest *req = (const void *)((struct call *)arg)->req;
	const struct copy_file f = {
		.path = req->path,
		.mode = req->file_mode,
		.dir_mode = req->dir_mode,
		.uid = req->uid,
		.gid = req->gid,
		.size = req->file_size,
		.offset = req->offset,
		.data = req->data.data,
		.len = req->data.len,
	};

	return copy_file(&f, e);
}

/* A file is copied by one call at a time, in the order of the calls: they write the same part of it, and
 * each puts it in its place. */
struct copying {
	struct list node; /* copyings */
	struct call *call;
	bool runs;
};

static struct list copyings = { &copyings, &copyings }; /* by age */

static const char *copy_path(const struct copying *cp)
{
	return ((const Grpc__CopyFileRequest *)(const void *)cp->call->req)->path;
}

static struct copying *copying_of(const char *path, bool runs)
{
	struct copying *cp;

	LIST_EACH(cp, &copyings, struct copying, node)
		if (cp->runs == runs && str_eq(copy_path(cp), path))
			return cp;
	return NULL;
}

static void copy_start(struct copying *cp);

static void copied(void *owner, const struct err *e, const void *out UNUSED, size_t len UNUSED)
{
	struct call *c = owner;
	struct copying *cp = c->state, *next;

	list_remove(&cp->node);
	next = copying_of(copy_path(cp), false);
	verb_answer(c, e);
	if (next)
		copy_start(next);
}

static void copy_start(struct copying *cp)
{
	cp->runs = true;
	do_work(cp->call, "copy a file", 0, copy, copied);
}

void kata_copy_file(struct call *c)
{
	struct copying *cp = ARENA_NEW(&c->arena, struct copying);

	if (!cp) {
		call_failf(c, RC_RESOURCE_EXHAUSTED, "CopyFile: no memory");
		return;
	}
	cp->call = c;
	c->state = cp;
	list_append(&copyings, &cp->node);
	if (!copying_of(copy_path(cp), true))
		copy_start(cp);
}

/* --- volumes --- */

static int stats(void *arg, int out, struct err *e)
{
	const Grpc__VolumeStatsRequest *req = (const void *)((struct call *)arg)->req;
	struct volume_stats vs;
	int r;

	if (volume_stats(req->volume_guest_path, &vs, e) < 0)
		return -1;
	r = io_write_full(out, &vs, sizeof(vs));
	return r < 0 ? err_sys(e, -r, "volume stats") : 0;
}

static void fill_usage(Grpc__VolumeUsage *out, const struct volume_usage *u,
		       Grpc__VolumeUsage__Unit unit)
{
	grpc__volume_usage__init(out);
	out->available = u->available;
	out->total = u->total;
	out->used = u->used;
	out->unit = unit;
}

static void stats_done(void *owner, const struct err *e, const void *out, size_t len)
{
	Grpc__VolumeStatsResponse reply = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeCondition good = GRPC__VOLUME_CONDITION__INIT;
	Grpc__VolumeUsage bytes, inodes;
	Grpc__VolumeUsage *usage[] = { &bytes, &inodes };
	const struct volume_stats *vs = out;
	struct call *c = owner;

	if (err_is_set(e) || len != sizeof(*vs)) {
		verb_answer(c, e);
		return;
	}
	fill_usage(&bytes, &vs->bytes, GRPC__VOLUME_USAGE__UNIT__BYTES);
	fill_usage(&inodes, &vs->inodes, GRPC__VOLUME_USAGE__UNIT__INODES);
	good.message = (char *)"OK";
	reply.usage = usage;
	reply.n_usage = COUNT_OF(usage);
	reply.volume_condition = &good;
	call_reply(c, &reply.base);
}

void kata_get_volume_stats(struct call *c)
{
	do_work(c, "volume stats", sizeof(struct volume_stats), stats, stats_done);
}

static int resize(void *arg, int out UNUSED, struct err *e)
{
	const Grpc__ResizeVolumeRequest *req = (const void *)((struct call *)arg)->req;

	return volume_resize(req->volume_guest_path, req->size, e);
}

void kata_resize_volume(struct call *c)
{
	do_work(c, "resize a volume", 0, resize, verb_answer_work);
}

/* The job's copy of the call's memory takes what the options need. */
static int update_ephemeral(void *arg, int out UNUSED, struct err *e)
{
	struct call *c = arg;
	const Grpc__UpdateEphemeralMountsRequest *req = (const void *)c->req;
	struct storage_req *r = convert_storages(req->storages, req->n_storages, &c->arena, e);

	for (size_t i = 0; r && i < req->n_storages; i++)
		if (volume_update_ephemeral(&r[i], &c->arena, e) < 0)
			return err_ctx(e, "storage %zu (%.64s)", i, r[i].mount_point);
	return r ? 0 : -1;
}

void kata_update_ephemeral_mounts(struct call *c)
{
	do_work(c, "update ephemeral storages", 0, update_ephemeral, verb_answer_work);
}

void kata_remove_stale_virtiofs_share_mounts(struct call *c)
{
	sandbox_look_at_shares(kata_of(c)->sandbox, verb_deadline(c), verb_answer, c);
}

/* --- GetDiagnosticData --- */

static int last_word(void *arg, int out, struct err *e)
{
	const struct call *c = arg;

	return last_word_read(c->state, out, e);
}

/* The text is the reply's first field, as data is in others: it may hold any character. */
static void last_word_done(void *owner, const struct err *e, const void *text, size_t len)
{
	struct call *c = owner;

	if (err_is_set(e))
		call_fail(c, e);
	else
		call_reply_data(c, text, len);
}

/* The container may be gone before the job looks. */
void kata_get_diagnostic_data(struct call *c)
{
	const Grpc__GetDiagnosticDataRequest *req = (const void *)c->req;
	const struct spec_mount *m;
	struct container *found;

	if (!str_eq(req->log_type, "termination_log")) {
		call_failf(c, RC_INVALID_ARGUMENT, "log_type \"%.64s\" is not termination_log",
			   req->log_type);
		return;
	}
	found = kata_container(c, req->container_id);
	if (!found)
		return;
	m = spec_termination_log(found->spec);
	if (!m) {
		call_failf(c, RC_NOT_FOUND,
			   "container %s has no mount at its annotation " SPEC_TERMINATION_LOG,
			   found->id);
		return;
	}
	c->state = arena_strdup(&c->arena, m->source);
	if (c->state)
		do_work(c, "read a termination log", LAST_WORD_MAX, last_word, last_word_done);
	else
		call_failf(c, RC_RESOURCE_EXHAUSTED, "GetDiagnosticData: no memory");
}

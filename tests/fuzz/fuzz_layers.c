/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verity superblock and the options of layers, of any content. 512 bytes are the superblock, then texts
 * with a zero byte after each: options, "+" begins the next layer. There is an error, or a plan of
 * confined targets; and a table is of words without a space too many, for data that lie before their
 * hashes.
 */
#include "base/path.h"
#include "storage/driver.h"
#include "storage/layers.h"

#define ROOT "/run/kata-containers/c1/rootfs"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_verity(struct verity *v, const uint8_t *sb)
{
	struct err e = { 0 };
	char text[2048];
	struct str s = STR_OVER(text);
	size_t spaces = 0;

	if ((!v->no_superblock && verity_read_superblock(v, sb, &e) < 0) || verity_complete(v, &e) < 0) {
		if (!err_is_set(&e))
			abort();
		return;
	}
	verity_table(v, 254, 1, &s);
	for (const char *p = text; *p; p++)
		spaces += *p == ' ';
	if (!str_ok(&s) || spaces != 9 || v->data_blocks > v->hash_offset / v->data_block)
		abort();
}

static void check_plan(struct storage_layer *v, size_t n, struct arena *a)
{
	static struct device_found nodes[LAYERS_MAX];
	struct storage_plan sp;
	struct err e = { 0 };

	if (layers_plan(v, n, nodes, "c1", ROOT, a, &sp, &e) < 0) {
		if (!err_is_set(&e))
			abort();
		return;
	}
	for (size_t i = 0; i < sp.plan.n; i++)
		if (!path_is_plain(sp.plan.ops[i].target) || !path_is_below(sp.plan.ops[i].target, "/run/kata-containers/c1"))
			abort();
	for (size_t i = 0; i < n; i++)
		if (sp.plan.ops[v[i].op].kind != PLAN_MOUNT)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *options[64];
	static struct storage_layer v[LAYERS_MAX];
	struct storage_req reqs[4] = { 0 };
	size_t n = 0, used = 0;
	struct err e = { 0 };
	struct arena a;
	char *text;
	int count;

	if (size < VERITY_SUPERBLOCK)
		return 0;
	arena_init(&a, 4 << 20);
	text = arena_memdup(&a, data, size);
	text = arena_strndup(&a, "", 0) ? text : NULL;
	for (char *p = text + VERITY_SUPERBLOCK, *end = text + size; p < end && used < COUNT_OF(options);) {
		char *stop = memchr(p, 0, (size_t)(end - p));

		if (!stop)
			break;
		if ((!n || *p == '+') && n < COUNT_OF(reqs))
			reqs[n++] = (struct storage_req){
				.driver = "erofs.multi-layer", .source = "/dev/vda", .mount_point = ROOT,
				.fstype = *p == '+' && p[1] == 'e' ? "ext4" : "erofs", .options = &options[used],
			};
		else
			options[used++] = p, reqs[n - 1].n_options++;
		p = stop + 1;
	}
	count = layers_read(reqs, n, ROOT, &a, v, &e);
	if ((count < 0) != err_is_set(&e))
		abort();
	for (int i = 0; i < count; i++)
		if (v[i].checked)
			check_verity(&v[i].verity, data);
	if (count > 0)
		check_plan(v, (size_t)count, &a);
	arena_fini(&a);
	return 0;
}

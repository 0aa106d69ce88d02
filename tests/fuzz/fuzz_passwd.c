/* SPDX-License-Identifier: Apache-2.0 */
/* A container's passwd and group files: the home directory that the agent looks up, and the users
 * of motectl run -u. The first two bytes are an id. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "container/stage_parts.h"
#include "lib/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int rootfd = -1;
static char dir[] = "/dev/shm/mote-fuzz-passwd-XXXXXX";

static void remove_root(void)
{
	path_remove_tree(AT_FDCWD, dir);
}

static void make_root(void)
{
	if (!mkdtemp(dir))
		abort();
	atexit(remove_root);
	rootfd = open(dir, O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0 || mkdirat(rootfd, "etc", 0755) < 0)
		abort();
}

static void resolve(const char *text)
{
	struct err e = { 0 };
	struct user u;

	if (user_resolve(rootfd, text, &u, &e) < 0 ? !err_is_set(&e) : u.n_groups > USER_GROUPS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t uid;
	char *text, name[32];
	const char *home;

	if (size < 2)
		return 0;
	if (rootfd < 0)
		make_root();
	uid = data[0];
	if (io_create_file(rootfd, "etc/passwd", data + 2, size - 2, 0644) < 0 ||
	    io_create_file(rootfd, "etc/group", data + 2, size - 2, 0644) < 0)
		abort();
	snprintf(name, sizeof(name), "%u", uid);
	resolve(name);
	snprintf(name, sizeof(name), "%c:%c", data[0] ? data[0] : 'a', data[1] ? data[1] : 'b');
	resolve(name);
	text = malloc(size - 1);
	if (!text)
		abort();
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	home = stage_exec_home(text, uid);
	if (!*home || strchr(home, ':') || strchr(home, '\n'))
		abort();
	free(text);
	return 0;
}

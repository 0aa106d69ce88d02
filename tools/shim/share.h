/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod's machine sees of the host: one directory, that a file server shows it (virtio-fs),
 * and in which every container has its own: ID/rootfs, and ID/N for mount N of its spec. The server
 * shows a read-only twin of the directory that we work in, into which our mounts spread with their
 * own rights: so the guest, which could put a link in the place of a directory that we are about to
 * mount on, changes nothing but what is inside of a mount. All of it is mounted in a mount
 * namespace of the shim's own, of which the file server's is a slave: however the shim ends,
 * nothing stays mounted.
 */
#ifndef MOTE_SHIM_SHARE_H
#define MOTE_SHIM_SHARE_H

#include "base/err.h"
#include "base/mem.h"
#include "vm/vm_scratch.h"

#define SHARE_TAG   "kataShared"
#define SHARE_GUEST "/run/kata-containers/shared/containers" /* where the guest mounts it */

struct share {
	struct vm_scratch scratch;
	char dir[96];   /* ours */
	char shown[96]; /* what the file server shows */
	int hostfd;     /* the mount namespace that was left */
};

/* Leaves the host's mount namespace, for good. -1 with e. */
int share_open(struct loop *l, struct share *s, struct err *e);
void share_close(struct share *s);

/* A mount as containerd writes it, on the host. */
struct share_mount {
	const char *type, *source, *target;
	char **options;
	size_t n_options;
};

/* The container's directory, empty. */
int share_make(struct share *s, const char *id, struct err *e);

/* The same with its root file system in it; without mounts the directory `source` of the host is it.
 * -1 with e, and then nothing is left. Mounts: waits as long as mount(2) does. */
int share_add(struct share *s, const char *id, const char *source, const struct share_mount *mounts,
	      size_t n, struct err *e);

/* A file or directory of the host, as mount `number` of the container's spec; its path in the guest
 * is a's. NULL with e. */
const char *share_bind(struct share *s, struct arena *a, const char *id, size_t number,
		       const char *source, struct err *e);

/* Takes all of the container's away, as far as it is there. */
void share_remove(struct share *s, const char *id);

#endif

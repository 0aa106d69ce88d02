/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_vsock.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "ttrpc/address.h"
#include "vm/vm.h"
#include "vm/vm_find.h"

#define FIRST_CID	3	/* 0, 1 and 2 have a meaning */
#define CID_TRIES	16
#define DEVICE_MS	10000
#define RETRY_MS	2
#define SOCKET_PATH	128	/* sun_path holds less */

/* Two users may want the same number at once: the kernel decides. */
static int claim_cid(int fd, uint32_t wanted, uint32_t *cid)
{
	for (int i = 0; i < CID_TRIES; i++) {
		uint64_t number = wanted;

		if (!wanted) {
			uint32_t r = 0;

			if (getrandom(&r, sizeof(r), 0) != sizeof(r))
				return -EIO;
			number = FIRST_CID + r % (INT32_MAX - FIRST_CID);
		}
		if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &number) == 0) {
			*cid = (uint32_t)number;
			return 0;
		}
		if (errno != EADDRINUSE || wanted)
			return -errno;
	}
	return -EADDRINUSE;
}

static bool start_kernel(struct vm_vsock *v, uint32_t cid)
{
	AUTO_FD fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

	if (fd < 0 || claim_cid(fd, cid, &v->cid) < 0)
		return false;
	v->fd = TAKE_FD(fd);
	v->kernel = true;
	return true;
}

/* The device makes its socket in its own time; there is nothing to wait on but the socket itself.
 */
static int connect_device(struct loop *l, const struct vm_proc *device, const struct address *a,
			  const bool *cancel, struct err *e)
{
	uint64_t deadline = clock_after(DEVICE_MS);

	while (vm_proc_is_alive(device)) {
		struct err last = { 0 };
		int fd = address_connect(a, 1000, &last);

		if (fd >= 0)
			return fd;
		if (cancel && *cancel)
			return err_set(e, RC_CANCELLED, "interrupted");
		if (clock_ms() >= deadline) {
			*e = last;
			return -1;
		}
		loop_once(l, RETRY_MS);
	}
	return vm_proc_explain(device, e);
}

/* Of VM number i of the device. */
static int name_sockets(const char *dir, unsigned int i, struct str *sock, struct str *uds,
			struct err *e)
{
	char number[12] = "";

	if (i)
		snprintf(number, sizeof(number), "%u", i);
	str_addf(sock, "%s/vhost%s.sock", dir, number);
	str_addf(uds, "%s/vm%s.vsock", dir, number);
	if (!str_ok(sock) || !str_ok(uds))
		return err_set(e, RC_INVALID_ARGUMENT, "'%.100s' is too long for a socket's path",
			       dir);
	return 0;
}

static int start_device(struct loop *l, struct vm_vsock *v, unsigned int n, struct err *e)
{
	char program[PATH_MAX], sock[SOCKET_PATH], uds[SOCKET_PATH];
	char vms[1 + VM_SIBLINGS][2 * SOCKET_PATH + 64];
	const char *argv[2 * (1 + VM_SIBLINGS) + 2] = { program };
	struct vm_proc_opts opts = { .name = "vhost-device-vsock", .argv = argv };

	if (vm_find(VM_FIND_VSOCK_DEVICE, NULL, program, e) < 0)
		return err_ctx(e, "no usable /dev/vhost-vsock");
	if (strchr(v->dir, ','))
		return err_set(e, RC_INVALID_ARGUMENT, "%s takes no directory with a comma: '%.100s'",
			       opts.name, v->dir);
	for (unsigned int i = 0; i < n; i++) {
		struct str s = STR_OVER(sock), u = STR_OVER(uds), vm = STR_OVER(vms[i]);

		if (name_sockets(v->dir, i, &s, &u, e) < 0)
			return -1;
		str_addf(&vm, "guest-cid=%u,socket=%s,uds-path=%s", v->cid + i, sock, uds);
		argv[1 + 2 * i] = "--vm";
		argv[2 + 2 * i] = vms[i];
	}
	return vm_proc_start(l, &v->proc, &opts, e);
}

/* As VM number i of the device of `owner`. */
static int take_place(struct loop *l, struct vm_vsock *v, struct vm_vsock *owner, unsigned int i,
		      const bool *cancel, struct str *address, struct err *e)
{
	struct address a = { .kind = ADDRESS_UNIX };
	struct str path = STR_OVER(a.path);
	char uds[SOCKET_PATH];
	struct str u = STR_OVER(uds);

	if (name_sockets(owner->dir, i, &path, &u, e) < 0)
		return -1;
	str_addf(address, "hvsock://%s:%d", uds, VM_PORT);
	if (!str_ok(address))
		return err_set(e, RC_INVALID_ARGUMENT, "'%.100s' is too long for an address",
			       owner->dir);
	v->cid = owner->cid + i;
	v->fd = connect_device(l, &owner->proc, &a, cancel, e);
	return v->fd < 0 ? -1 : 0;
}

int vm_vsock_start(struct loop *l, struct vm_vsock *v, const struct vm_opts *o, const char *dir,
		   char *address, size_t cap, struct err *e)
{
	struct str s;

	v->fd = -1;
	str_init(&s, address, cap);
	if (o->siblings > VM_SIBLINGS)
		return err_set(e, RC_INVALID_ARGUMENT, "more than %d siblings", VM_SIBLINGS);
	if (!o->siblings && start_kernel(v, o->cid)) {
		str_addf(&s, "vsock://%u:%d", v->cid, VM_PORT);
		return 0;
	}
	v->cid = o->cid ? o->cid : FIRST_CID; /* a number of its own per device */
	v->dir = dir;
	v->free = o->siblings;
	if (start_device(l, v, 1 + o->siblings, e) < 0)
		return -1;
	return take_place(l, v, v, 0, o->cancel, &s, e);
}

int vm_vsock_join(struct loop *l, struct vm_vsock *v, struct vm_vsock *owner, const bool *cancel,
		  char *address, size_t cap, struct err *e)
{
	struct str s;

	v->fd = -1;
	str_init(&s, address, cap);
	if (!owner->free)
		return err_set(e, RC_FAILED_PRECONDITION, "the vsock device has no place left");
	return take_place(l, v, owner, owner->free--, cancel, &s, e);
}

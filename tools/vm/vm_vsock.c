/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_vsock.h"

#include <fcntl.h>
#include <linux/vhost.h>
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
static int connect_device(struct loop *l, struct vm_vsock *v, const struct address *a,
			  const bool *cancel, struct err *e)
{
	uint64_t deadline = clock_after(DEVICE_MS);

	while (vm_proc_is_alive(&v->proc)) {
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
	return vm_proc_explain(&v->proc, e);
}

static int start_device(struct loop *l, struct vm_vsock *v, const char *dir, const bool *cancel,
			char *address, size_t cap, struct err *e)
{
	char program[PATH_MAX], sock[128], uds[128], cid[16];
	struct str s = STR_OVER(sock), u = STR_OVER(uds), c = STR_OVER(cid), out;
	const char *argv[] = {
		program, "--guest-cid", cid, "--socket", sock, "--uds-path", uds, NULL,
	};
	struct vm_proc_opts opts = { .name = "vhost-device-vsock", .argv = argv };
	struct address a = { .kind = ADDRESS_UNIX };
	struct str path = STR_OVER(a.path);

	if (vm_find(VM_FIND_VSOCK_DEVICE, program, e) < 0)
		return err_ctx(e, "no usable /dev/vhost-vsock");
	str_addf(&s, "%s/vhost.sock", dir);
	str_addf(&u, "%s/vm.vsock", dir);
	str_addf(&c, "%u", v->cid);
	str_add(&path, sock);
	str_init(&out, address, cap);
	str_addf(&out, "hvsock://%s:%d", uds, VM_PORT);
	if (!str_ok(&s) || !str_ok(&u) || !str_ok(&path) || !str_ok(&out))
		return err_set(e, RC_INVALID_ARGUMENT, "'%.100s' is too long for a socket's path",
			       dir);
	if (vm_proc_start(l, &v->proc, &opts, e) < 0)
		return -1;
	v->fd = connect_device(l, v, &a, cancel, e);
	return v->fd < 0 ? -1 : 0;
}

int vm_vsock_start(struct loop *l, struct vm_vsock *v, uint32_t cid, const char *dir,
		   const bool *cancel, char *address, size_t cap, struct err *e)
{
	struct str s;

	v->fd = -1;
	if (start_kernel(v, cid)) {
		str_init(&s, address, cap);
		str_addf(&s, "vsock://%u:%d", v->cid, VM_PORT);
		return 0;
	}
	v->cid = cid ? cid : FIRST_CID;	/* a number of its own per device */
	return start_device(l, v, dir, cancel, address, cap, e);
}

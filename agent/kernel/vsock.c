/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/vsock.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>	/* before the next: older kernels' headers lack it */

#include <linux/vm_sockets.h>

#include "kernel/sys.h"

#ifndef IOCTL_VM_SOCKETS_GET_LOCAL_CID
#define IOCTL_VM_SOCKETS_GET_LOCAL_CID	_IO(7, 0xb9)
#endif

int vsock_local_cid(uint32_t *cid)
{
	AUTO_FD fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return sys_result(ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, cid));
}

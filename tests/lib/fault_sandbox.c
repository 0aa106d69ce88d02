/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts ask of a sandbox beside its containers, and storages that have more to them than one mount,
 * as scenarios of tests/fault: see fault_main.h.
 */
#include "lib/fault_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include <linux/loop.h>

#include "base/fd.h"
#include "lib/rig_port.h"

#define SHARED "/run/kata-containers/shared/containers"

/* --- files ------------------------------------------------------------------------------------ */

/* In one and in pieces, a directory, a link. "aGVsbG8K": "hello\n"; modes in decimal: 0100644, 040755, 0120777. */
static int copy_files(struct rig *r)
{
	static const char *const requests[] = {
		"\"path\":\"" SHARED "/copied/dir\",\"file_mode\":16877",
		"\"path\":\"" SHARED "/copied/one\",\"file_mode\":33188,\"file_size\":6,\"data\":\"aGVsbG8K\"",
		"\"path\":\"" SHARED "/copied/two\",\"file_mode\":33188,\"file_size\":12,\"data\":\"aGVsbG8K\"",
		"\"path\":\"" SHARED "/copied/two\",\"file_mode\":33188,\"file_size\":12,\"offset\":6,\"data\":\"aGVsbG8K\"",
		"\"path\":\"" SHARED "/copied/link\",\"file_mode\":41471,\"data\":\"b25l\"",
	};
	int rc = 0;

	for (size_t i = 0; i < COUNT_OF(requests) && !rc; i++)
		rc = rig_call(r, "CopyFile", "{%s,\"dir_mode\":493,\"uid\":7,\"gid\":8}", requests[i]);
	return rc;
}

#define EPHEMERAL "/run/kata-containers/sandbox/ephemeral/grows"

static int update(struct rig *r, const char *options)
{
	return rig_call(r, "UpdateEphemeralMounts",
			"{\"storages\":[{\"driver\":\"ephemeral\",\"source\":\"tmpfs\",\"fstype\":\"tmpfs\","
			"\"mount_point\":\"" EPHEMERAL "\",\"options\":[%s]}]}", options);
}

static int a_volume(struct rig *r)
{
	return update(r, "\"size=1m\"");
}

static int volumes(struct rig *r)
{
	int rc = update(r, "\"remount\",\"size=2m\"");

	if (!rc)
		rc = rig_call(r, "ResizeVolume", "{\"volume_guest_path\":\"" EPHEMERAL "\",\"size\":1048576}");
	if (!rc)
		rc = rig_call(r, "GetVolumeStats", "{\"volume_guest_path\":\"" EPHEMERAL "\"}");
	if (!rc && !strstr(r->reply, "\"total\":\"1048576\""))
		return fault_wrong(r, "the volume is %s", r->reply);
	return rc;
}

/* --- network ---------------------------------------------------------------------------------- */

#define MAC "02:00:00:00:00:0a"

static int a_card(struct rig *r)
{
	return rig_guest(r, "ip link add va type veth && ip link set va address " MAC " && ip link set veth0 up");
}

static int interface(struct rig *r, const char *name, const char *more)
{
	return rig_call(r, "UpdateInterface", "{\"interface\":{\"hwAddr\":\"" MAC "\",\"name\":\"%s\",%s}}", name, more);
}

/* Another name, other addresses each time. */
static int interfaces(struct rig *r)
{
	int rc = interface(r, "first", TEXT("mtu":1400,"IPAddresses":[{"address":"10.1.2.3","mask":"24"}]));

	if (!rc)
		rc = interface(r, "second", TEXT("mtu":1500,"IPAddresses":[{"address":"10.1.3.3","mask":"24"},
			{"family":"v6","address":"fd00::5","mask":"64"}]));
	if (!rc)
		rc = rig_call(r, "ListInterfaces", "{}");
	if (!rc && (!strstr(r->reply, "\"second\"") || !strstr(r->reply, "fd00::5")))
		return fault_wrong(r, "the interfaces are %s", r->reply);
	return rc;
}

static int routes(struct rig *r)
{
	int rc = interface(r, "first", TEXT("IPAddresses":[{"address":"10.1.2.3","mask":"24"}]));

	if (!rc)
		rc = rig_call(r, "UpdateRoutes", TEXT({"routes":{"Routes":[
			{"dest":"10.7.0.0/16","gateway":"10.1.2.1","device":"first"},
			{"dest":"10.8.0.0/16","device":"first","scope":253}]}}));
	if (!rc && (!strstr(r->reply, "10.7.0.0/16") || !strstr(r->reply, "10.8.0.0/16")))
		return fault_wrong(r, "the routes are %s", r->reply);
	if (!rc)
		rc = rig_call(r, "AddARPNeighbors", TEXT({"neighbors":{"ARPNeighbors":[
			{"toIPAddress":{"address":"10.1.2.9"},"device":"first","lladdr":"02:00:00:00:01:02"}]}}));
	return rc;
}

/* What listens is there before: a container that is made anew has scenarios of its own. */
static int a_server(struct rig *r)
{
	int rc = rig_guest(r, "ip link set lo up");

	if (!rc)
		rc = rig_run(r, FAULT_OTHER_ID,
			     &(struct rig_container){ .args = SH("httpd -p [::1]:8080; echo up; exec sleep 1000") });
	if (!rc && rig_read_until(r, "ReadStdout", FAULT_OTHER_ID, "", "up") <= 0)
		return fault_wrong(r, "no server");
	return rc;
}

/* 127.0.0.1 refuses. */
static int port(struct rig *r)
{
	struct rig_port p;
	int rc = rig_port_open(r, r->client, &p, 8080);

	if (!rc)
		rc = rig_port_ask(&p, "GET / HTTP/1.0\r\n\r\n", "</HTML>");
	if (!rc)
		rc = rig_port_end(&p);
	if (!rc && !p.ended)
		rc = fault_wrong(r, "the server's end is missing");
	rig_port_close(&p);
	return rc;
}

/* --- a container's ---------------------------------------------------------------------------- */

#define DIR_OF "/guest/1/root/run/cdi"

/* No quotes in a script: they come as @. */
static int cdi_file(struct rig *r)
{
	return rig_guest(r, "mkdir -p " DIR_OF " && echo '{@cdiVersion@:@0.6.0@,@kind@:@acme.org/dev@,@devices@:["
			    "{@name@:@z@,@containerEdits@:{@deviceNodes@:[{@path@:@/dev/acme@,@hostPath@:@/dev/zero@}],"
			    "@env@:[@ACME=here@]}}]}' | tr @ '\\\"' >" DIR_OF "/acme.json");
}

static int cdi(struct rig *r)
{
	return fault_life(r,
			  &(struct rig_container){
				  .args = SH("echo $ACME; head -c 2 /dev/acme | wc -c"),
				  .spec = TEXT(,"Annotations":{"cdi.k8s.io/acme":"acme.org/dev=z"}),
				  .linux = TEXT(,"Resources":{"Devices":[{"Access":"rwm"}]}),
			  },
			  "here\n2\n", 0);
}

static int watched(struct rig *r)
{
	return fault_life(r,
			  &(struct rig_container){
				  .args = SH("cat /conf/one; ls /conf"),
				  .storages = TEXT(,{"driver":"watchable-bind","fstype":"bind",
					  "source":"/run/kata-containers/shared/containers/copied",
					  "mount_point":"/run/kata-containers/shared/containers/watchable/conf"}),
				  .mounts = TEXT(,{"destination":"/conf","type":"bind","options":["rbind","ro"],
					  "source":"/run/kata-containers/shared/containers/watchable/conf"}),
			  },
			  "hello\ndir\nlink\none\ntwo\n", 0);
}

/* What is written to a control group and read from it; controllers are not this machine's to give. */
static int groups(struct rig *r)
{
	const struct rig_container sleeps = {
		.args = "[\"sleep\",\"1000\"]",
		.linux = TEXT(,"Resources":{"Devices":[
			{"Access":"rwm"},{"Allow":true,"Type":"c","Major":1,"Minor":3,"Access":"rw"}]}),
	};
	int rc = rig_run(r, FAULT_ID, &sleeps);

	if (!rc)
		rc = rig_call(r, "UpdateContainer", TEXT({"container_id":"fault","resources":{"Devices":[
			{"Access":"rwm"},{"Allow":true,"Type":"c","Major":1,"Minor":5,"Access":"rw"}]}}));
	if (!rc)
		rc = rig_call(r, "PauseContainer", "{\"container_id\":\"" FAULT_ID "\"}");
	if (!rc)
		rc = rig_call(r, "ResumeContainer", "{\"container_id\":\"" FAULT_ID "\"}");
	if (!rc)
		rc = rig_call(r, "StatsContainer", "{\"container_id\":\"" FAULT_ID "\"}");
	if (!rc)
		rc = rig_call(r, "GetMetrics", "{}");
	return rc ? rc : rig_remove(r, FAULT_ID);
}

/* --- layers ----------------------------------------------------------------------------------- */

static char layers[2][32], upper[32]; /* device nodes; "": this machine has none */
static int held[3] = { -1, -1, -1 };  /* a loop device is its file's as long as one is open */

static int attach(const char *image, int mode, int *hold, char node[static 32])
{
	AUTO_FD control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), file = open(image, mode | O_CLOEXEC);
	struct loop_config c = { .fd = (uint32_t)file,
				 .info.lo_flags = LO_FLAGS_AUTOCLEAR | (mode == O_RDONLY ? LO_FLAGS_READ_ONLY : 0) };

	for (int tries = 0; control >= 0 && file >= 0 && tries < 20; tries++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		snprintf(node, 32, "/dev/loop%d", n);
		*hold = open(node, mode | O_CLOEXEC);
		if (*hold >= 0 && ioctl(*hold, LOOP_CONFIGURE, &c) == 0)
			return 0;
		auto_close(hold); /* somebody was faster */
	}
	perror(image);
	return -1;
}

/* Two layers and what is written, without verity: this machine's device mapper is not the test's. */
static int disks(struct rig *r)
{
	char *argv[] = { (char *)"tests/lib/make-layers", r->dir, NULL }, path[128];
	static const char *const names[] = { "layer1", "layer2", "upper" };
	char *nodes[] = { layers[0], layers[1], upper };

	if (held[2] >= 0)
		return 0;
	if (rig_program(r, argv) != 0)
		return fault_wrong(r, "make-layers failed");
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
		if (attach(path, i == 2 ? O_RDWR : O_RDONLY, &held[i], nodes[i]) < 0)
			return fault_wrong(r, "%s: no loop device", names[i]);
	}
	return 0;
}

#define LAYER                                                                                          \
	",{\"driver\":\"blk\",\"source\":\"%s\",\"fstype\":\"%s\",\"mount_point\":\"/run/kata-containers/layered\"," \
	"\"options\":[%s\"X-kata.multi-layer=true\"]}"

static int layered(struct rig *r)
{
	char storages[1024];
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(layers); i++)
		n += (size_t)snprintf(storages + n, sizeof(storages) - n, LAYER, layers[i], "erofs",
				      "\"ro\",\"X-kata.overlay-lower\",");
	snprintf(storages + n, sizeof(storages) - n, LAYER, upper, "ext4",
		 "\"X-kata.overlay-upper\",\"X-kata.mkdir.path={{ mount 0 }}/upper/made:0755\",");
	return fault_life(r,
			  &(struct rig_container){
				  .args = SH("cat /which && echo new >/new && cat /new"),
				  .root = "/run/kata-containers/layered",
				  .storages = storages,
			  },
			  "from the first\nnew\n", 0);
}

const struct fault_scenario fault_sandbox[] = {
	{ "copy_files", copy_files, NULL, NULL, FAULT_RESUMES, NULL },
	{ "volumes", volumes, a_volume, NULL, 0, NULL },
	{ "interfaces", interfaces, a_card, NULL, 0, NULL },
	{ "routes", routes, a_card, NULL, 0, NULL },
	{ "port", port, a_server, NULL, 0, NULL },
	{ "cdi", cdi, cdi_file, fault_one_id, 0, NULL },
	{ "watched", watched, copy_files, fault_one_id, 0, NULL },
	{ "groups", groups, NULL, fault_one_id, 0, NULL },
	{ "layered", layered, disks, fault_one_id, 0, NULL },
	{ 0 },
};

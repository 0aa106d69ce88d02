/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's network as hosts set it up. A container that shares it makes the interfaces (pairs of
 * virtual ones) and tells what they have become.
 */
#include <fcntl.h>
#include <sys/file.h>

#include "lib/cases.h"

#define MAC_A	"02:00:00:00:00:0a"
#define MAC_B	"02:00:00:00:00:0b"

static void guest(const char *script)
{
	struct rig *r = cases_rig;
	char all[512];

	snprintf(all, sizeof(all), "{ %s; } 2>&1", script);
	if (rig_guest(r, all) != 0)
		fail_msg("%s: %s", script, r->reply);
}

static int setup(void **state)
{
	(void)state;
	guest("ip link add va type veth && ip link set va address " MAC_A " &&"
	      "ip link set veth0 name vb && ip link set vb address " MAC_B);
	return 0;
}

/* Whatever they are called by now; with one of a pair the other goes. */
static int teardown(void **state)
{
	(void)state;
	guest("for d in /sys/class/net/*; do read a < $d/address;"
	      "[ $a = " MAC_A " ] && ip link del ${d##*/}; done; true");
	return 0;
}

static int set(const char *mac, const char *name, const char *more)
{
	return rig_call(cases_rig, "UpdateInterface",
			"{\"interface\":{\"hwAddr\":\"%s\",\"name\":\"%s\"%s}}", mac, name, more);
}

static void name_of(const char *mac, const char *want)
{
	struct rig *r = cases_rig;
	char script[128];

	snprintf(script, sizeof(script), "grep -il %s /sys/class/net/*/address | cut -d/ -f5", mac);
	guest(script);
	r->reply[strcspn(r->reply, "\n")] = '\0';
	assert_string_equal(r->reply, want);
}

#define ADDRESSES                                                        \
	",\"mtu\":1400,\"IPAddresses\":[{\"address\":\"10.1.2.3\",\"mask\":\"24\"}," \
	"{\"family\":\"v6\",\"address\":\"fd00::5\",\"mask\":\"64\"}]"

/* Twice the same is once: nothing flaps. */
static void an_interface(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_done(r, set("02:00:00:00:00:0A", "eth0", ADDRESSES));
		assert_output(r, "\"name\":\"eth0\"");
		assert_output(r, "\"address\":\"fd00::5\"");
		guest("ip addr show eth0");
		assert_output(r, "mtu 1400");
		assert_output(r, "inet 10.1.2.3/24");
		assert_output(r, "inet6 fd00::5/64");
		assert_output(r, "UP");
	}
	assert_done(r, set(MAC_A, "eth0", ",\"raw_flags\":128"));
	guest("ip addr show eth0");
	assert_output(r, "NOARP");
	assert_output(r, "inet 10.1.2.3/24");
	assert_output(r, "inet6 fd00::5/64");

	assert_done(r, rig_call(r, "ListInterfaces", "{}"));
	assert_output(r, "\"name\":\"eth0\",\"IPAddresses\":["
			 "{\"family\":\"v4\",\"address\":\"10.1.2.3\",\"mask\":\"24\"},"
			 "{\"family\":\"v6\",\"address\":\"fd00::5\",\"mask\":\"64\"}");
	assert_output(r, "\"mtu\":\"1400\",\"hwAddr\":\"02:00:00:00:00:0A\"");
	assert_output(r, "\"name\":\"lo\"");
}

/* What has the wanted name gets the other's; it does not lose its addresses or stay down. */
static void names_change_places(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, set(MAC_A, "eth0", ""));
	assert_done(r, set(MAC_B, "eth1", ",\"IPAddresses\":[{\"address\":\"10.5.0.1\",\"mask\":\"16\"}]"));
	assert_done(r, set(MAC_A, "eth1", ""));
	name_of(MAC_A, "eth1");
	name_of(MAC_B, "eth0");
	guest("ip addr show eth0");
	assert_output(r, "inet 10.5.0.1/16");
	assert_output(r, "UP");
	assert_done(r, set(MAC_A, "eth0", ""));
	name_of(MAC_A, "eth0");
	name_of(MAC_B, "eth1");
}

/* A name whose interface has another hardware address gets the one that is asked for. */
static void found_by_its_name(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, set("02:00:00:00:00:0c", "vb", ""));
	name_of("02:00:00:00:00:0c", "vb");
}

static void interfaces_refused(void **state)
{
	static const struct {
		const char *interface;
		int rc;
		const char *text;
	} rows[] = {
		{ "{\"hwAddr\":\"02:00:00:00:00:77\",\"name\":\"eth7\"}", RC_INTERNAL,
		  "Link not found (address: 02:00:00:00:00:77, name: eth7)" },
		{ "{}", RC_INVALID_ARGUMENT, "without hwAddr, devicePath and name" },
		{ "{\"hwAddr\":\"02:00\",\"name\":\"a/b\"}", RC_INVALID_ARGUMENT, "name \"a/b\"" },
		{ "{\"hwAddr\":\"02:00\",\"name\":\"longer-than-they-are\"}", RC_INVALID_ARGUMENT,
		  "name \"longer-than-they-are\"" },
		{ "{\"hwAddr\":\"02:0x\",\"name\":\"e\"}", RC_INVALID_ARGUMENT, "hwAddr \"02:0x\"" },
		{ "{\"hwAddr\":\"" MAC_A "\",\"mtu\":4294967296}", RC_INVALID_ARGUMENT, "mtu" },
		{ "{\"hwAddr\":\"" MAC_A "\",\"mtu\":1,\"name\":\"e\"}", RC_INVALID_ARGUMENT,
		  "set interface va (name e, mtu 1)" },
		{ "{\"hwAddr\":\"" MAC_A "\",\"devicePath\":\"2x\"}", RC_INVALID_ARGUMENT,
		  "PCI path" },
		{ "{\"hwAddr\":\"" MAC_A "\",\"IPAddresses\":[{\"address\":\"10.1.2\",\"mask\":\"8\"}]}",
		  RC_INVALID_ARGUMENT, "IPAddresses[0].address \"10.1.2\"" },
		{ "{\"hwAddr\":\"" MAC_A "\",\"IPAddresses\":[{\"address\":\"10.1.2.3\",\"mask\":\"33\"}]}",
		  RC_INVALID_ARGUMENT, "IPAddresses[0].mask \"33\"" },
		{ "{\"hwAddr\":\"" MAC_A "\",\"name\":\"va\",\"IPAddresses\":[{\"address\":\"10.7.0.1\",\"mask\":\"8\"},"
		  "{\"address\":\"ff02::1\",\"mask\":\"64\"}]}",
		  RC_INTERNAL, "interface va is up; address 2 of 2, ff02::1/64, which was not set" },
	};
	struct rig *r = cases_rig;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_rc(r, rig_call(r, "UpdateInterface", "{\"interface\":%s}", rows[i].interface),
			  rows[i].rc, rows[i].text);
	assert_rc(r, rig_call(r, "UpdateInterface", "{}"), RC_INVALID_ARGUMENT, "no interface");
	name_of(MAC_A, "va"); /* as it was */
}

/* The host's order does not matter where one route needs another. */
static void routes(void **state)
{
	static const char request[] =
		"{\"routes\":{\"Routes\":["
		"{\"dest\":\"\",\"gateway\":\"10.9.0.1\",\"device\":\"eth0\"},"
		"{\"dest\":\"10.8.0.0/16\",\"gateway\":\"10.1.2.1\",\"device\":\"eth0\",\"mtu\":1300,\"source\":\"10.1.2.3\"},"
		"{\"dest\":\"10.9.0.0/16\",\"device\":\"eth0\",\"scope\":253},"
		"{\"dest\":\"fd01::/64\",\"gateway\":\"fd00::1\",\"device\":\"eth0\",\"family\":\"v6\"},"
		"{\"gateway\":\"fd00::1\",\"device\":\"eth0\",\"family\":\"v6\"}]}}";
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, set(MAC_B, "eth1", ""));
	assert_done(r, set(MAC_A, "eth0", ADDRESSES));
	for (int i = 0; i < 2; i++) {
		assert_done(r, rig_call(r, "UpdateRoutes", "%s", request));
		assert_output(r, "{\"dest\":\"0.0.0.0/0\",\"gateway\":\"10.9.0.1\",\"device\":\"eth0\"");
		assert_output(r, "{\"dest\":\"10.9.0.0/16\",\"gateway\":\"\",\"device\":\"eth0\",\"source\":\"\",\"scope\":253");
		assert_output(r, "{\"dest\":\"fd01::/64\",\"gateway\":\"fd00::1\",\"device\":\"eth0\"");
		assert_output(r, "{\"dest\":\"::/0\",\"gateway\":\"fd00::1\"");
		assert_done(r, rig_call(r, "ListRoutes", "{}"));
		assert_output(r, "{\"dest\":\"10.8.0.0/16\",\"gateway\":\"10.1.2.1\",\"device\":\"eth0\","
				 "\"source\":\"10.1.2.3\",\"scope\":0,\"family\":\"v4\",\"flags\":0,\"mtu\":1300}");
	}
	guest("ip route");
	assert_output(r, "10.8.0.0/16 via 10.1.2.1 dev eth0  src 10.1.2.3");
	assert_done(r, rig_call(r, "UpdateRoutes", "{}"));
}

/* All are looked at before one is set; what the kernel refuses is told with what was done. */
static void routes_refused(void **state)
{
	static const struct {
		const char *routes, *text;
		int rc;
	} rows[] = {
		{ "{\"dest\":\"10.0.0.0/33\",\"device\":\"eth0\"}", "Routes[0].dest \"10.0.0.0/33\"",
		  RC_INVALID_ARGUMENT },
		{ "{\"dest\":\"10.0.0.0/8\",\"device\":\"eth0\",\"gateway\":\"ten\"}",
		  "Routes[0].gateway \"ten\"", RC_INVALID_ARGUMENT },
		{ "{\"dest\":\"10.0.0.0/8\",\"device\":\"eth0\",\"source\":\"fd00::1\"}",
		  "Routes[0].source \"fd00::1\" is of another family", RC_INVALID_ARGUMENT },
		{ "{\"dest\":\"10.0.0.0/8\",\"device\":\"eth0\",\"source\":\"10.2.0.0/16\"}",
		  "IPv4 has no routes by source", RC_INVALID_ARGUMENT },
		{ "{\"dest\":\"10.0.0.0/8\"}", "Routes[0] names no device", RC_INVALID_ARGUMENT },
		{ "{\"dest\":\"10.0.0.0/8\",\"device\":\"eth0\",\"scope\":256}", "scope 256",
		  RC_INVALID_ARGUMENT },
		{ "{\"dest\":\"10.3.0.0/16\",\"device\":\"eth0\"},{\"dest\":\"10.0.0.0/8\",\"device\":\"none\"}",
		  "1 of 2 routes are set; Routes[1] (10.0.0.0/8 via nothing dev none): there is no interface none",
		  RC_NOT_FOUND },
		{ "{\"dest\":\"10.3.0.0/16\",\"device\":\"eth0\",\"gateway\":\"172.16.0.1\"}",
		  "0 of 1 routes are set; Routes[0] (10.3.0.0/16 via 172.16.0.1 dev eth0): netlink",
		  RC_INTERNAL },
	};
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, set(MAC_A, "eth0", ADDRESSES));
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_rc(r, rig_call(r, "UpdateRoutes", "{\"routes\":{\"Routes\":[%s]}}", rows[i].routes),
			  rows[i].rc, rows[i].text);
}

static void neighbours(void **state)
{
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, set(MAC_A, "eth0", ADDRESSES));
	for (int i = 0; i < 2; i++)
		assert_done(r, rig_call(r, "AddARPNeighbors",
					"{\"neighbors\":{\"ARPNeighbors\":["
					"{\"toIPAddress\":{\"address\":\"10.1.2.9\"},\"device\":\"eth0\",\"lladdr\":\"02:00:00:00:01:%02d\"},"
					"{\"toIPAddress\":{\"address\":\"fd00::9\"},\"device\":\"eth0\",\"lladdr\":\"02:00:00:00:02:09\",\"state\":128}]}}",
					i));
	guest("ip neigh");
	assert_output(r, "10.1.2.9 dev eth0 lladdr 02:00:00:00:01:01");
	assert_output(r, "fd00::9 dev eth0 lladdr 02:00:00:00:02:09");
	assert_output(r, "PERMANENT");
	assert_rc(r, rig_call(r, "AddARPNeighbors", "{\"neighbors\":{\"ARPNeighbors\":[{\"device\":\"eth0\"}]}}"),
		  RC_INVALID_ARGUMENT, "ARPNeighbors[0].toIPAddress");
	assert_rc(r, rig_call(r, "AddARPNeighbors",
			      "{\"neighbors\":{\"ARPNeighbors\":[{\"toIPAddress\":{\"address\":\"10.1.2.9\"},\"device\":\"no\"}]}}"),
		  RC_NOT_FOUND, "0 of 1 neighbours are set; ARPNeighbors[0] (10.1.2.9 dev no)");
	assert_done(r, rig_call(r, "AddARPNeighbors", "{}"));
}

#define MANY 1000

/* More routes than one answer of a job or one message of the kernel holds. */
static void many_routes(void **state)
{
	struct rig *r = cases_rig;
	size_t cap = MANY * 64, n = 0;
	char *all = malloc(cap);
	size_t found = 0;

	(void)state;
	assert_non_null(all);
	for (int i = 0; i < MANY; i++)
		n += (size_t)snprintf(all + n, cap - n, "%s{\"dest\":\"10.64.%d.%d/30\",\"device\":\"eth0\"}",
				      i ? "," : "", i / 64, i % 64 * 4);
	assert_done(r, set(MAC_B, "eth1", ""));
	assert_done(r, set(MAC_A, "eth0", ADDRESSES));
	assert_done(r, rig_call(r, "UpdateRoutes", "{\"routes\":{\"Routes\":[%s]}}", all));
	free(all);
	for (const char *at = r->reply; (at = strstr(at, "\"dest\":\"10.64.")); at++)
		found++;
	assert_int_equal(found, MANY);
}

#define ROUNDS 32 /* even: the names are as before */

/* A name is that of one card or of the other, and never of none. */
static void routes_while_names_change(void **state)
{
	static struct rig_pending name, routes;
	struct rig *r = cases_rig;

	(void)state;
	assert_done(r, set(MAC_A, "eth0", ""));
	assert_done(r, set(MAC_B, "eth1", ""));
	for (int i = 0; i < ROUNDS; i++) {
		rig_send(r, r->client, RIG_CALL_MS, &name, "UpdateInterface",
			 "{\"interface\":{\"hwAddr\":\"" MAC_A "\",\"name\":\"eth%d\"}}", !(i % 2));
		rig_send(r, r->client, RIG_CALL_MS, &routes, "UpdateRoutes",
			 "{\"routes\":{\"Routes\":[{\"dest\":\"10.77.0.0/24\",\"device\":\"eth0\"}]}}");
		if (rig_await(r, &name) || rig_await(r, &routes))
			fail_msg("%s%s", name.err.msg, routes.err.msg);
		assert_null(strstr((const char *)routes.payload, "mote"));
	}
	name_of(MAC_A, "eth0");
}

/* Containers have the guest's network, and may lock what they find of it: it is no lock of the agent's.
 * Here this program does, which sees the agent's process. */
static void a_lock_of_a_container(void **state)
{
	struct rig *r = cases_rig;
	char path[64];
	int fd;

	(void)state;
	if (r->kind != RIG_NAMESPACES)
		return;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)r->agent_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	r->call_ms = 3000;
	assert_done(r, set(MAC_A, "eth0", ""));
	r->call_ms = 0;
	close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

const struct CMUnitTest cases_network[] = {
	CASE(an_interface),   CASE(names_change_places), CASE(found_by_its_name),
	CASE(interfaces_refused), CASE(routes),		 CASE(routes_refused),
	CASE(neighbours),     CASE(many_routes),	 CASE(routes_while_names_change),
	CASE(a_lock_of_a_container), { 0 },
};

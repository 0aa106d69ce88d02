/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI runtime spec's MUSTs in a VM on cgroup v2 and in one on v1. --table prints the rows of
 * docs/conformance.md. */
#include "lib/conformance.h"

int main(int argc, char **argv)
{
	return conformance_main(argc, argv);
}

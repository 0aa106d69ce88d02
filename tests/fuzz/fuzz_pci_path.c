/* SPDX-License-Identifier: Apache-2.0 */
/* PCI paths and the other device ids, as a host may send them; and the way back from names in
 * sysfs. */
#include "base/str.h"
#include "device/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken is written out and read again: it must be the same. */
static void check_round_trip(const struct pci_path *p)
{
	char text[128];
	struct str s = STR_OVER(text);
	struct pci_path again;
	struct err e = { 0 };

	str_reset(&s);
	if (p->root)
		str_addf(&s, "%02x/", p->root);
	for (size_t i = 0; i < p->n; i++)
		str_addf(&s, "%s%02x.%x", i ? "/" : "", p->at[i].slot, p->at[i].function);
	if (!str_ok(&s) || p->n == 0 || p->n > PCI_PATH_ELEMENTS ||
	    pci_path_parse(text, &again, &e) < 0)
		abort();
	if (again.root != p->root || again.n != p->n || memcmp(again.at, p->at, sizeof(p->at)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), back[64];
	struct str s = STR_OVER(back);
	struct device_need need;
	struct pci_path p;
	struct err e = { 0 };

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	str_reset(&s);
	if (pci_path_parse(text, &p, &e) == 0)
		check_round_trip(&p);
	pci_path_of_syspath(text, &s);
	for (int kind = DEVICE_NONE; kind <= DEVICE_KINDS; kind++) {
		err_clear(&e);
		if ((device_need_set(&need, (enum device_kind)kind, text, &e) == 0) ==
		    err_is_set(&e))
			abort();
		if (!err_is_set(&e) && strstr(need.id, "/."))
			abort(); /* an id becomes part of a path */
	}
	free(text);
	return 0;
}

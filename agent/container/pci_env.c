/* SPDX-License-Identifier: Apache-2.0 */
#include "container/pci_env.h"

#include <ctype.h>

#include "base/log.h"
#include "base/str.h"

#define PREFIX "PCIDEVICE_"
#define INFO   "_INFO"

static const struct pci_pair *pair_of(const struct pci_map *m, bdf_t host)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].host == host)
			return &m->v[i];
	return NULL;
}

int pci_map_add(struct pci_map *m, bdf_t host, bdf_t guest, struct arena *a, struct err *e)
{
	const struct pci_pair *known = pair_of(m, host);
	struct pci_pair *v;
	char text[BDF_TEXT];

	if (known && known->guest == guest)
		return 0;
	if (known)
		return err_set(e, RC_ALREADY_EXISTS, "host device %s: in two places of the guest",
			       bdf_print(host, text));
	v = ARENA_ARRAY(a, struct pci_pair, m->n + 1);
	if (!v)
		return err_set(e, RC_RESOURCE_EXHAUSTED, "PCI devices: out of memory");
	for (size_t i = 0; i < m->n; i++)
		v[i] = m->v[i];
	v[m->n++] = (struct pci_pair){ host, guest };
	m->v = v;
	return 0;
}

enum list { NO_LIST, UNKNOWN, KNOWN };

/* Of "0000:3a:00.0,0000:3a:00.1". */
static enum list kind_of(const char *s, const struct pci_map *m)
{
	enum list kind = KNOWN;

	for (;; s++) {
		bdf_t host;
		size_t n = bdf_parse(s, &host);

		if (!n || (s[n] && s[n] != ','))
			return NO_LIST;
		if (!pair_of(m, host))
			kind = UNKNOWN;
		s += n;
		if (!*s)
			return kind;
	}
}

static bool is_part(char c)
{
	return isalnum((unsigned char)c) || c == ':' || c == '.';
}

/* Every address of the map that stands by itself in the value of NAME=VALUE, at once. */
static char *translate(const char *text, const struct pci_map *m, struct arena *a)
{
	size_t cap = 2 * strlen(text) + 1; /* an address grows by four digits at most */
	char *out = arena_alloc(a, cap);
	struct str s;
	char before = '\0';
	size_t name = strcspn(text, "=");

	if (!out)
		return NULL;
	str_init(&s, out, cap);
	str_add_n(&s, text, name);
	text += name;
	while (*text) {
		bdf_t host;
		size_t n = is_part(before) ? 0 : bdf_parse(text, &host);
		const struct pci_pair *p = n && !is_part(text[n]) ? pair_of(m, host) : NULL;
		char guest[BDF_TEXT];

		if (p)
			str_add(&s, bdf_print(p->guest, guest));
		else
			str_add_n(&s, text, n = 1);
		before = text[n - 1];
		text += n;
	}
	return str_ok(&s) ? out : NULL;
}

static bool ends_with_info(const char *name, size_t n)
{
	size_t k = strlen(INFO);

	return n > k && strncmp(name + n - k, INFO, k) == 0;
}

/* The same variable's _INFO: NAME of n bytes. */
static bool is_info_of(const char *entry, const char *name, size_t n)
{
	return strncmp(entry, name, n) == 0 && str_starts(entry + n, INFO "=");
}

static int rewrite_with_info(struct spec_strings *env, size_t at, size_t n,
			     const struct pci_map *m, struct arena *a)
{
	const char *name = env->v[at];

	for (size_t i = 0; i < env->n; i++) {
		char *text;

		if (i != at && !is_info_of(env->v[i], name, n))
			continue;
		text = translate(env->v[i], m, a);
		if (!text)
			return -1;
		env->v[i] = text;
	}
	return 0;
}

int pci_env_rewrite(struct spec_strings *env, const struct pci_map *m, struct arena *a,
		    struct err *e)
{
	for (size_t i = 0; m->n && i < env->n; i++) {
		const char *entry = env->v[i];
		size_t n = strcspn(entry, "=");

		if (!entry[n] || !str_starts(entry, PREFIX) || ends_with_info(entry, n))
			continue;
		switch (kind_of(entry + n + 1, m)) {
		case NO_LIST:
			break;
		case UNKNOWN:
			log_warn("device", "%.*s: an address that is none of the container's: not translated",
				 (int)MIN(n, (size_t)96), entry);
			break;
		case KNOWN:
			if (rewrite_with_info(env, i, n, m, a) < 0)
				return err_set(e, RC_RESOURCE_EXHAUSTED,
					       "environment: out of memory");
		}
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's words about pressure and free blocks. */
#include "sandbox/mem_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (mem_agent_pressure(text) > 99999)
		abort();
	if (mem_agent_scattered(text, data[0]) && !data[0])
		abort();
	free(text);
	return 0;
}

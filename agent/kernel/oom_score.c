/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/oom_score.h"

#include <fcntl.h>

#include "base/io.h"

#define FILE_OF_SELF "/proc/self/oom_score_adj"

static bool shielded;

void oom_score_know(void)
{
	char text[16];

	shielded = io_read_line(AT_FDCWD, FILE_OF_SELF, text, sizeof(text)) > 0 && text[0] == '-';
}

int oom_score_restore(void)
{
	int r = shielded ? io_write_file(AT_FDCWD, FILE_OF_SELF, "0") : 0;

	return r < 0 ? r : 0;
}

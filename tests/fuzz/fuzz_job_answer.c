/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PID 1 reads from a job's child, which may have been taken over by what it parsed: any bytes, in any
 * portions, then an exit. job.c is included to reach the reader without a fork.
 * Input: a byte for out_max (255: the stream has no magic put in front of it), one for the size of the portions, one for
 * the end, then the stream.
 */
#include "event/job.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;

static void check(void *owner UNUSED, const struct err *e, const void *out, size_t out_len)
{
	const unsigned char *p = out;
	unsigned int sum = 0;

	for (size_t i = 0; i < out_len; i++)
		sum += p[i];
	/* On the way to a reply: a text that ends, a code that means something, no control byte. */
	if (memchr(e->msg, 0, sizeof(e->msg)) == NULL || sum == UINT32_MAX)
		abort();
	for (const char *c = e->msg; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			abort();
}

/* Torn into at most so many: where it is torn matters, not how often, and system calls are slow. */
#define WRITES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct job_opts opts = { .what = "fuzz", .deadline_ms = CLOCK_NEVER };
	size_t portion;
	struct job *j;
	int fds[2], end;

	if (size < 3 || size > 60000)
		return 0;
	if (!loop) {
		signal(SIGPIPE, SIG_IGN);
		loop = loop_new();
	}
	opts.out_max = (size_t)data[0] * 16;
	portion = (size_t)data[1] + 1;
	end = data[2];
	data += 3;
	size -= 3;
	portion = MAX(portion, size / WRITES + 1);
	j = job_new(loop, &opts);
	if (!j || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    watch_add(loop, &j->result, fds[0], EPOLLIN, on_result) < 0)
		abort();
	j->done = check;
	j->state = JOB_RUNNING;
	jobs.running++;
	if (data[-3] != 255) {
		uint32_t magic = ANSWER_MAGIC;

		if (write(fds[1], &magic, sizeof(magic)) != sizeof(magic))
			abort();
	}
	for (size_t at = 0; at < size; at += portion) {
		if (write(fds[1], data + at, MIN(portion, size - at)) < 0)
			break;	/* who does not read on has judged */
		if (end & 1)
			loop_once(loop, 0);
	}
	close(fds[1]);
	j->child.signo = end >> 4;
	on_exit_of_child(&j->child, end >> 1);
	return 0;
}

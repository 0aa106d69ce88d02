/* SPDX-License-Identifier: Apache-2.0 */
/* The loop with real descriptors and a fake clock. loop.c is included, so that its one allocation can be made to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static int refuse_memory;

static void *test_reallocarray(void *p, size_t n, size_t size)
{
	return refuse_memory ? NULL : realloc(p, n * size);
}

#define reallocarray test_reallocarray
#include "event/loop.c"
#undef reallocarray

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>

static struct loop *loop;

static int setup(void **state UNUSED)
{
	clock_fake(1000);
	refuse_memory = 0;
	loop = loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
	loop_free(loop);
	clock_fake(CLOCK_NEVER);
	return 0;
}

static int ready_fd(void)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

/* --- watches --- */

struct probe {
	struct watch watch;	/* first: the callback gets it */
	int calls;
	uint32_t events;
	struct probe *victim;	/* deleted by the callback */
	struct probe *heir;	/* watched in its place */
	int heir_fd;
};

static void on_probe(struct watch *w, uint32_t events)
{
	struct probe *p = container_of(w, struct probe, watch);

	p->calls++;
	p->events = events;
	if (p->victim)
		watch_del(&p->victim->watch);
	if (p->heir)
		assert_int_equal(watch_add(loop, &p->heir->watch, p->heir_fd, EPOLLIN, on_probe), 0);
}

static void add(struct probe *p, int fd)
{
	assert_int_equal(watch_add(loop, &p->watch, fd, EPOLLIN, on_probe), 0);
}

static void test_watch_tells_events(void **state UNUSED)
{
	struct probe p = { 0 };
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	add(&p, fds[0]);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_once(loop, -1), 1);
	assert_int_equal(p.events, EPOLLIN);
	assert_int_equal(loop_once(loop, -1), 1);	/* level-triggered */
	assert_int_equal(watch_mod(&p.watch, 0), 0);
	assert_int_equal(loop_once(loop, 0), 0);
	close(fds[1]);
	assert_int_equal(loop_once(loop, 0), 1);	/* hang-up comes all the same */
	assert_int_equal(p.events, EPOLLHUP);
	watch_del(&p.watch);
	watch_del(&p.watch);
	assert_null(p.watch.loop);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_int_equal(watch_mod(&p.watch, EPOLLIN), -ENOENT);
	close(fds[0]);
}

/* Whichever of two ready watches comes first deletes the other one. */
static void test_deleted_in_batch_is_dropped(void **state UNUSED)
{
	struct probe a = { 0 }, b = { 0 };
	int fd_a = ready_fd(), fd_b = ready_fd();

	add(&a, fd_a);
	add(&b, fd_b);
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(a.calls + b.calls, 1);
	watch_del(&a.watch);
	watch_del(&b.watch);
	close(fd_a);
	close(fd_b);
}

/* The new watch gets the deleted one's slot, but not its event. */
static void test_slot_reuse_in_batch(void **state UNUSED)
{
	struct probe a = { 0 }, b = { 0 }, heir = { 0 };
	int fd_a = ready_fd(), fd_b = ready_fd(), quiet = eventfd(0, EFD_CLOEXEC);
	unsigned int slots;

	add(&a, fd_a);
	add(&b, fd_b);
	slots = a.watch.slot + b.watch.slot;
	a.victim = &b;
	b.victim = &a;
	a.heir = b.heir = &heir;
	a.heir_fd = b.heir_fd = quiet;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(heir.watch.slot + (a.calls ? a : b).watch.slot, slots);
	assert_int_equal(heir.calls, 0);
	watch_del(&a.watch);
	watch_del(&b.watch);
	watch_del(&heir.watch);
	close(fd_a);
	close(fd_b);
	close(quiet);
}

static void test_deletes_itself(void **state UNUSED)
{
	struct probe a = { 0 };
	int fd = ready_fd();

	add(&a, fd);
	a.victim = &a;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(loop_once(loop, 0), 0);
	close(fd);
}

/* More watches than the first table and than one batch: each is heard. */
static void test_many_watches(void **state UNUSED)
{
	enum { N = 5 * SLOTS_FIRST + EVENTS_PER_TURN };
	static struct probe many[N];
	int fds[N], ran = 0;

	memset(many, 0, sizeof(many));
	for (int i = 0; i < N; i++) {
		fds[i] = ready_fd();
		add(&many[i], fds[i]);
		many[i].victim = &many[i];
	}
	while (ran < N) {
		int n = loop_once(loop, 0);

		assert_in_range(n, 1, EVENTS_PER_TURN);
		ran += n;
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(many[i].calls, 1);
		close(fds[i]);
	}
	assert_int_equal(loop_once(loop, 0), 0);
}

static void test_unwatchable(void **state UNUSED)
{
	struct probe p = { 0 };
	AUTO_FD fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < 3 * SLOTS_FIRST; i++)
		assert_int_equal(watch_add(loop, &p.watch, fd, EPOLLIN, on_probe), -EPERM);
	assert_null(p.watch.loop);
	assert_int_equal(loop->n_slots, SLOTS_FIRST);	/* no slot was lost */
	assert_int_equal(watch_add(loop, &p.watch, -1, EPOLLIN, on_probe), -EBADF);
}

static void test_no_memory_for_slots(void **state UNUSED)
{
	struct probe many[SLOTS_FIRST + 1] = { 0 };
	AUTO_FD fd = ready_fd();
	int dups[SLOTS_FIRST + 1];

	refuse_memory = 1;
	assert_int_equal(watch_add(loop, &many[0].watch, fd, EPOLLIN, on_probe), -ENOMEM);
	refuse_memory = 0;
	for (int i = 0; i <= SLOTS_FIRST; i++) {
		dups[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (i == SLOTS_FIRST)
			refuse_memory = 1;
		assert_int_equal(watch_add(loop, &many[i].watch, dups[i], EPOLLIN, on_probe),
				 i == SLOTS_FIRST ? -ENOMEM : 0);
	}
	assert_null(many[SLOTS_FIRST].watch.loop);
	assert_int_equal(loop_once(loop, 0), SLOTS_FIRST);	/* those that are there work on */
	for (int i = 0; i <= SLOTS_FIRST; i++) {
		watch_del(&many[i].watch);
		close(dups[i]);
	}
}

/* --- timers --- */

struct alarm {
	struct timer timer;
	int calls;
	int *order, *n_order;	/* where to note `name` */
	int name;
	struct timer *victim;
	uint64_t again_at;	/* CLOCK_NEVER: no */
};

static void on_alarm(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	assert_null(t->loop);
	a->calls++;
	if (a->order)
		a->order[(*a->n_order)++] = a->name;
	if (a->victim)
		timer_cancel(a->victim);
	timer_arm(loop, t, a->again_at, on_alarm);
}

static void test_timers_by_time(void **state UNUSED)
{
	int order[4], n = 0;
	const uint64_t at[4] = { 1030, 1010, 1020, 1010 };
	struct alarm a[4] = { 0 };

	for (int i = 0; i < 4; i++) {
		a[i] = (struct alarm){ .order = order, .n_order = &n, .name = i, .again_at = CLOCK_NEVER };
		timer_arm(loop, &a[i].timer, at[i], on_alarm);
	}
	assert_int_equal(loop_once(loop, 0), 0);
	clock_fake(1009);
	assert_int_equal(loop_once(loop, 0), 0);
	clock_fake(1010);
	assert_int_equal(loop_once(loop, -1), 2);
	clock_fake(2000);
	assert_int_equal(loop_once(loop, -1), 2);
	assert_memory_equal(order, ((const int[]){ 1, 3, 2, 0 }), sizeof(order));
	assert_null(loop->timers);
}

static void test_timer_moves(void **state UNUSED)
{
	struct alarm a = { .again_at = CLOCK_NEVER };

	timer_arm(loop, &a.timer, 1010, on_alarm);
	timer_arm(loop, &a.timer, 1050, on_alarm);
	clock_fake(1049);
	assert_int_equal(loop_once(loop, 0), 0);
	timer_arm(loop, &a.timer, CLOCK_NEVER, on_alarm);
	assert_null(a.timer.loop);
	clock_fake(9999);
	assert_int_equal(loop_once(loop, 0), 0);
	timer_cancel(&a.timer);
	timer_arm(loop, &a.timer, 5, on_alarm);	/* the past is now */
	assert_int_equal(a.calls, 0);
	assert_int_equal(loop_once(loop, -1), 1);
}

static void test_timer_cancels_another(void **state UNUSED)
{
	struct alarm a = { .again_at = CLOCK_NEVER }, b = { .again_at = CLOCK_NEVER };

	timer_arm(loop, &a.timer, 1000, on_alarm);
	timer_arm(loop, &b.timer, 1000, on_alarm);
	a.victim = &b.timer;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(b.calls, 0);
}

/* One that arms itself with 0 runs once a turn; the other timers and a descriptor get theirs. */
static void test_greedy_timer_starves_nobody(void **state UNUSED)
{
	struct alarm greedy = { .again_at = 0 }, later = { .again_at = CLOCK_NEVER };
	struct probe p = { 0 };
	int fd = ready_fd();

	timer_arm(loop, &greedy.timer, 0, on_alarm);
	timer_arm(loop, &later.timer, 1000, on_alarm);
	add(&p, fd);
	assert_int_equal(loop_once(loop, -1), 3);
	assert_int_equal(greedy.calls, 1);
	assert_int_equal(later.calls, 1);
	assert_int_equal(loop_once(loop, -1), 2);
	assert_int_equal(p.calls, 2);
	timer_cancel(&greedy.timer);
	watch_del(&p.watch);
	close(fd);
}

static void test_timers_per_turn(void **state UNUSED)
{
	static struct alarm many[2 * TIMERS_PER_TURN + 5];

	for (size_t i = 0; i < COUNT_OF(many); i++) {
		many[i] = (struct alarm){ .again_at = CLOCK_NEVER };
		timer_arm(loop, &many[i].timer, 0, on_alarm);
	}
	assert_int_equal(loop_once(loop, -1), TIMERS_PER_TURN);
	assert_int_equal(loop_once(loop, -1), TIMERS_PER_TURN);
	assert_int_equal(loop_once(loop, -1), 5);
	assert_int_equal(loop_once(loop, 0), 0);
}

static void test_waits_no_longer_than_told(void **state UNUSED)
{
	struct alarm a = { .again_at = CLOCK_NEVER };
	struct deferred d = { 0 };

	assert_int_equal(wait_ms(loop, -1), -1);
	assert_int_equal(wait_ms(loop, 7), 7);
	timer_arm(loop, &a.timer, 1100, on_alarm);
	assert_int_equal(wait_ms(loop, -1), 100);
	assert_int_equal(wait_ms(loop, 7), 7);
	assert_int_equal(wait_ms(loop, 200), 100);
	assert_int_equal(wait_ms(loop, 0), 0);
	clock_fake(1200);
	assert_int_equal(wait_ms(loop, -1), 0);
	timer_arm(loop, &a.timer, CLOCK_NEVER - 1, on_alarm);
	assert_int_equal(wait_ms(loop, -1), INT_MAX);
	list_init(&d.node);
	loop_defer(loop, &d, NULL);
	assert_int_equal(wait_ms(loop, -1), 0);
	deferred_cancel(&d);
	timer_cancel(&a.timer);
}

static void test_real_clock(void **state UNUSED)
{
	struct alarm a = { .again_at = CLOCK_NEVER };
	uint64_t at;

	clock_fake(CLOCK_NEVER);
	at = clock_after(3);
	timer_arm(loop, &a.timer, at, on_alarm);
	while (!a.calls)
		assert_true(loop_once(loop, -1) >= 0);
	assert_true(clock_ms() >= at);
}

/* --- deferred calls --- */

struct call {
	struct deferred deferred;
	int calls, other_calls;
	int *order, *n_order;
	int name;
	struct deferred *victim;
	bool again;
};

static void on_call(struct deferred *d)
{
	struct call *c = container_of(d, struct call, deferred);

	c->calls++;
	if (c->order)
		c->order[(*c->n_order)++] = c->name;
	if (c->victim)
		deferred_cancel(c->victim);
	if (c->again)
		loop_defer(loop, d, on_call);
}

static void on_other_call(struct deferred *d)
{
	container_of(d, struct call, deferred)->other_calls++;
}

static void test_deferred_in_order_and_once(void **state UNUSED)
{
	int order[3], n = 0;
	struct call c[3];

	for (int i = 0; i < 3; i++) {
		c[i] = (struct call){ .order = order, .n_order = &n, .name = i };
		list_init(&c[i].deferred.node);
	}
	loop_defer(loop, &c[2].deferred, on_call);
	loop_defer(loop, &c[0].deferred, on_call);
	loop_defer(loop, &c[1].deferred, on_call);
	loop_defer(loop, &c[2].deferred, on_call);
	assert_int_equal(n, 0);
	assert_int_equal(loop_once(loop, -1), 3);
	assert_memory_equal(order, ((const int[]){ 2, 0, 1 }), sizeof(order));
	assert_int_equal(loop_once(loop, 0), 0);
}

static void test_deferred_changes_fn(void **state UNUSED)
{
	struct call c = { 0 };

	list_init(&c.deferred.node);
	loop_defer(loop, &c.deferred, on_call);
	loop_defer(loop, &c.deferred, on_other_call);
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(c.calls, 0);
	assert_int_equal(c.other_calls, 1);
}

static void test_deferred_cancel(void **state UNUSED)
{
	struct call a = { 0 }, b = { 0 };

	list_init(&a.deferred.node);
	list_init(&b.deferred.node);
	deferred_cancel(&b.deferred);
	a.victim = &b.deferred;
	loop_defer(loop, &a.deferred, on_call);
	loop_defer(loop, &b.deferred, on_call);
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(b.calls, 0);
}

/* A call that defers itself runs twice a turn at most, and descriptors are heard in between. */
static void test_greedy_deferred_starves_nobody(void **state UNUSED)
{
	struct call greedy = { .again = true };
	struct probe p = { 0 };
	int fd = ready_fd();

	list_init(&greedy.deferred.node);
	add(&p, fd);
	loop_defer(loop, &greedy.deferred, on_call);
	assert_int_equal(loop_once(loop, -1), 3);
	assert_int_equal(p.calls, 1);
	assert_int_equal(loop_once(loop, -1), 3);
	assert_int_equal(p.calls, 2);
	deferred_cancel(&greedy.deferred);
	watch_del(&p.watch);
	close(fd);
}

static struct call *deferred_by_watch;

static void on_watch_that_defers(struct watch *w, uint32_t events UNUSED)
{
	loop_defer(loop, &deferred_by_watch->deferred, on_call);
	assert_int_equal(deferred_by_watch->calls, 0);
	watch_del(w);
}

static void test_deferred_in_the_same_turn(void **state UNUSED)
{
	struct call c = { 0 };
	struct watch w;
	AUTO_FD fd = ready_fd();

	list_init(&c.deferred.node);
	deferred_by_watch = &c;
	assert_int_equal(watch_add(loop, &w, fd, EPOLLIN, on_watch_that_defers), 0);
	assert_int_equal(loop_once(loop, 0), 2);
	assert_int_equal(c.calls, 1);
}

/* --- the loop itself --- */

static void on_stop(struct timer *t UNUSED)
{
	loop_stop(loop);
}

static void test_run_and_stop(void **state UNUSED)
{
	struct timer t = { 0 };

	for (int i = 0; i < 2; i++) {
		timer_arm(loop, &t, 0, on_stop);
		loop_run(loop);
		assert_null(t.loop);
	}
	loop_stop(loop);
	loop_run(loop);	/* told beforehand: does not wait */
}

static void on_sigalrm(int signo UNUSED)
{
}

static void test_signal_interrupts(void **state UNUSED)
{
	struct sigaction sa = { .sa_handler = on_sigalrm };
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(loop_once(loop, -1), 0);
	setitimer(ITIMER_REAL, &never, NULL);
}

static void test_broken_loop_is_told(void **state UNUSED)
{
	int saved = loop->epfd;

	loop->epfd = -1;
	assert_int_equal(loop_once(loop, 0), -EBADF);
	loop_run(loop);
	loop->epfd = saved;
}

static void test_free_lets_go(void **state UNUSED)
{
	struct loop *own = loop_new();
	struct watch w;
	struct timer t[3] = { 0 };
	struct deferred d;
	AUTO_FD fd = ready_fd();

	assert_non_null(own);
	assert_int_equal(watch_add(own, &w, fd, EPOLLIN, on_probe), 0);
	for (int i = 0; i < 3; i++)
		timer_arm(own, &t[i], 5000 + (uint64_t)i, on_alarm);
	list_init(&d.node);
	loop_defer(own, &d, on_call);
	loop_free(own);
	watch_del(&w);
	for (int i = 0; i < 3; i++)
		timer_cancel(&t[i]);
	deferred_cancel(&d);
	assert_null(w.loop);
	assert_null(t[1].loop);
	loop_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_watch_tells_events), T(test_deleted_in_batch_is_dropped), T(test_slot_reuse_in_batch),
		T(test_deletes_itself), T(test_many_watches), T(test_unwatchable), T(test_no_memory_for_slots),
		T(test_timers_by_time), T(test_timer_moves), T(test_timer_cancels_another),
		T(test_greedy_timer_starves_nobody), T(test_timers_per_turn), T(test_waits_no_longer_than_told),
		T(test_real_clock), T(test_deferred_in_order_and_once), T(test_deferred_changes_fn),
		T(test_deferred_cancel), T(test_greedy_deferred_starves_nobody), T(test_deferred_in_the_same_turn),
		T(test_run_and_stop), T(test_signal_interrupts), T(test_broken_loop_is_told), T(test_free_lets_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

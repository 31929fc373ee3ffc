/*
 * The other side of one TCMU ring, for measuring a daemon: it posts commands as target_core_user would, keeps as many
 * under way as it is told, and counts how long each took.
 *
 *   ring-peer SOCKET DEVICE_BYTES [ONWARD_AT ONWARD_STEP]
 *
 * The memory is a memfd that the daemon gets over SOCKET (uio-preload.c), with the socket in place of the UIO node. It says
 * {"pid":N} when the daemon is there, and then, for each line `read|write ORDER BYTES DEPTH MILLISECONDS` of its input, one
 * line of JSON. ORDER: random, sequential; onward: each run begins at the next multiple of ONWARD_STEP that no onward run
 * has touched, from ONWARD_AT on, and never comes back; behind: random within what the last onward run covered. `latency` is pairs of a time in nanoseconds and how many commands took about that long.
 */
#define _GNU_SOURCE
#include <linux/sockios.h>
#include <linux/types.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define __LINUX_UIO_H /* struct iovec is libc's here */
#include <linux/target_core_user.h>

#define RING_AT 4096u
#define RING_BYTES (1u << 20)
#define DATA_AT (RING_AT + RING_BYTES)
#define DATA_BYTES (64u << 20)
#define MAX_DEPTH 256u
#define BLOCK 512u
#define ENTRY_ALIGN 8u
/* Latencies by powers of two, each in equal steps: within 3 %. */
#define STEP_BITS 5
#define BUCKETS ((65 - STEP_BITS) << STEP_BITS)
#define STUCK_MS 20000

enum { READ_10 = 0x28, WRITE_10 = 0x2a };

enum order { RANDOM, SEQUENTIAL, ONWARD, BEHIND };
static const char *const orders[] = { [RANDOM] = "random", [SEQUENTIAL] = "sequential", [ONWARD] = "onward", [BEHIND] = "behind" };

struct workload {
	bool write;
	enum order order;
	uint32_t bytes, depth;
	uint64_t nanoseconds;
};

static uint8_t *shared;
static struct tcmu_mailbox *mailbox;
static int daemon_socket;
static uint64_t device_bytes;
static uint64_t onward_from, onward_to, onward_step = 1; /* what the last onward run covered, in bytes */
static uint32_t taken; /* completions before this position of the ring were seen */
static uint64_t posted_at[MAX_DEPTH];
static uint32_t idle[MAX_DEPTH], idle_count;
static uint64_t buckets[BUCKETS];

static void give_up(const char *what)
{
	fprintf(stderr, "ring-peer: %s\n", what);
	exit(1);
}

static uint64_t nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t random_number(void)
{
	static uint64_t state = 1;
	uint64_t z = state += 0x9e3779b97f4a7c15u; /* splitmix64 */
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t bucket_of(uint64_t ns)
{
	if (ns < (1u << STEP_BITS)) return (uint32_t)ns;
	uint32_t power = 63 - (uint32_t)__builtin_clzll(ns) - STEP_BITS;
	return (power << STEP_BITS) + (uint32_t)(ns >> power);
}

static uint64_t middle_of(uint32_t bucket)
{
	if (bucket < (2u << STEP_BITS)) return bucket;
	uint32_t power = (bucket >> STEP_BITS) - 1;
	uint64_t low = (uint64_t)(bucket - (power << STEP_BITS)) << power;
	return low + (1ull << power) / 2;
}

/* Where an entry of this size begins: entries are contiguous, so the end of the ring may have to be padded. */
static struct tcmu_cmd_entry *room_for(uint32_t size)
{
	uint32_t head = mailbox->cmd_head, to_end = RING_BYTES - head;
	uint32_t used = (head + RING_BYTES - taken) % RING_BYTES;
	if (used + size + (size > to_end ? to_end : 0) >= RING_BYTES) return NULL;
	if (size > to_end) {
		struct tcmu_cmd_entry_hdr *pad = (void *)(shared + RING_AT + head);
		*pad = (struct tcmu_cmd_entry_hdr){ .len_op = to_end | TCMU_OP_PAD };
		head = 0;
		__atomic_store_n(&mailbox->cmd_head, head, __ATOMIC_RELEASE);
	}
	return (void *)(shared + RING_AT + head);
}

static bool post(const struct workload *w, uint32_t slot, uint64_t lba)
{
	uint32_t fixed = sizeof(struct tcmu_cmd_entry) + sizeof(struct iovec), size = fixed + 16;
	size = (size + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
	struct tcmu_cmd_entry *entry = room_for(size);
	if (!entry) return false;
	memset(entry, 0, size);
	uint32_t at = (uint32_t)((uint8_t *)entry - shared);
	entry->hdr.len_op = size | TCMU_OP_CMD;
	entry->hdr.cmd_id = (uint16_t)slot;
	entry->req.iov_cnt = 1;
	entry->req.cdb_off = at + fixed;
	entry->req.iov[0].iov_base = (void *)(uintptr_t)(DATA_AT + (uint64_t)slot * w->bytes);
	entry->req.iov[0].iov_len = w->bytes;
	uint8_t *cdb = shared + at + fixed;
	uint32_t big_lba = __builtin_bswap32((uint32_t)lba);
	uint16_t big_count = __builtin_bswap16((uint16_t)(w->bytes / BLOCK));
	cdb[0] = w->write ? WRITE_10 : READ_10;
	memcpy(cdb + 2, &big_lba, sizeof big_lba);
	memcpy(cdb + 7, &big_count, sizeof big_count);
	__atomic_store_n(&mailbox->cmd_head, (at - RING_AT + size) % RING_BYTES, __ATOMIC_RELEASE);
	return true;
}

/* As UIO's event counter: a daemon that has one event unread gets no second one. */
static void wake_daemon(void)
{
	int unread = 0;
	uint32_t event = 1;
	if (ioctl(daemon_socket, SIOCOUTQ, &unread) == 0 && unread > 0) return;
	if (send(daemon_socket, &event, sizeof event, MSG_NOSIGNAL) < 0) give_up("the daemon has gone");
}

static void wait_for_daemon(void)
{
	struct pollfd p = { .fd = daemon_socket, .events = POLLIN };
	uint32_t event;
	if (poll(&p, 1, STUCK_MS) == 0) give_up("the daemon answered nothing for 20 s");
	ssize_t n;
	while ((n = recv(daemon_socket, &event, sizeof event, MSG_DONTWAIT)) > 0) ;
	if (n == 0) give_up("the daemon has closed the device");
}

/* Completions up to the tail: how many, and how many of them failed. */
static uint32_t take(uint32_t depth, uint64_t *errors)
{
	uint32_t tail = __atomic_load_n(&mailbox->cmd_tail, __ATOMIC_ACQUIRE), count = 0;
	if (tail == taken) return 0;
	uint64_t now = nanoseconds();
	while (taken != tail) {
		struct tcmu_cmd_entry *entry = (void *)(shared + RING_AT + taken);
		if (tcmu_hdr_get_op(entry->hdr.len_op) == TCMU_OP_CMD) {
			uint32_t slot = entry->hdr.cmd_id;
			if (slot >= depth) give_up("the daemon answered a command that was not asked");
			if (entry->rsp.scsi_status != 0) (*errors)++;
			buckets[bucket_of(now - posted_at[slot])]++;
			idle[idle_count++] = slot;
			count++;
		}
		taken = (taken + tcmu_hdr_get_len(entry->hdr.len_op)) % RING_BYTES;
	}
	return count;
}

static void print(uint64_t commands, uint64_t errors, uint64_t took)
{
	printf("{\"commands\":%lu,\"errors\":%lu,\"ns\":%lu,\"latency\":[", commands, errors, took);
	const char *comma = "";
	for (uint32_t i = 0; i < BUCKETS; i++) {
		if (buckets[i] == 0) continue;
		printf("%s[%lu,%lu]", comma, middle_of(i), buckets[i]);
		comma = ",";
	}
	printf("]}\n");
	fflush(stdout);
}

static void run(const struct workload *w)
{
	if (w->order == ONWARD) onward_from = onward_to = (onward_to + onward_step - 1) / onward_step * onward_step;
	bool apart = w->order == ONWARD || w->order == BEHIND;
	uint64_t first = apart ? onward_from : 0;
	uint64_t places = ((w->order == BEHIND ? onward_to : device_bytes) - first) / w->bytes, next = 0, commands = 0, errors = 0;
	if (places == 0) give_up("no onward run before, or no room for it");
	uint32_t under_way = 0;
	memset(buckets, 0, sizeof buckets);
	idle_count = 0;
	for (uint32_t i = w->depth; i-- > 0;) idle[idle_count++] = i;
	uint64_t begin = nanoseconds(), now = begin;
	for (;;) {
		bool more = now - begin < w->nanoseconds;
		uint32_t before = under_way;
		while (more && idle_count > 0) {
			if (w->order == ONWARD && next == places) give_up("no room for onward runs any more");
			uint64_t place = (w->order == RANDOM || w->order == BEHIND ? random_number() : next) % places;
			uint32_t slot = idle[idle_count - 1];
			if (!post(w, slot, first / BLOCK + place * (w->bytes / BLOCK))) break;
			posted_at[slot] = now;
			idle_count--;
			next++;
			under_way++;
		}
		if (under_way > before) wake_daemon();
		if (under_way == 0) break;
		uint32_t done = take(w->depth, &errors);
		if (done == 0) wait_for_daemon();
		under_way -= done;
		commands += done;
		now = nanoseconds();
	}
	if (w->order == ONWARD) onward_to = onward_from + next * w->bytes;
	print(commands, errors, now - begin);
}

static bool parse(const char *line, struct workload *w)
{
	char way[16], order[16];
	uint32_t milliseconds;
	if (sscanf(line, "%15s %15s %u %u %u", way, order, &w->bytes, &w->depth, &milliseconds) != 5) return false;
	w->write = !strcmp(way, "write");
	for (w->order = RANDOM; strcmp(order, orders[w->order]);) if (++w->order > BEHIND) return false;
	w->nanoseconds = milliseconds * 1000000ull;
	return w->bytes > 0 && w->bytes % BLOCK == 0 && w->bytes / BLOCK <= UINT16_MAX && w->bytes <= device_bytes && w->depth > 0 &&
	       w->depth <= MAX_DEPTH && (uint64_t)w->bytes * w->depth <= DATA_BYTES;
}

static int make_memory(void)
{
	int fd = memfd_create("tcmu-ring", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, DATA_AT + DATA_BYTES)) give_up("no memory for the ring");
	shared = mmap(NULL, DATA_AT + DATA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) give_up("no memory for the ring");
	mailbox = (void *)shared;
	mailbox->version = TCMU_MAILBOX_VERSION;
	mailbox->flags = TCMU_MAILBOX_FLAG_CAP_OOOC | TCMU_MAILBOX_FLAG_CAP_READ_LEN;
	mailbox->cmdr_off = RING_AT;
	mailbox->cmdr_size = RING_BYTES;
	return fd;
}

static void meet_daemon(const char *path, int memory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path) give_up("the path of the socket is too long");
	strcpy(address.sun_path, path);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1)) give_up("cannot listen on the socket");
	daemon_socket = accept(listener, NULL, NULL);
	struct ucred peer;
	socklen_t size = sizeof peer;
	if (daemon_socket < 0 || getsockopt(daemon_socket, SOL_SOCKET, SO_PEERCRED, &peer, &size)) give_up("no daemon came");
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	char byte = 0;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
	control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof memory) };
	memcpy(CMSG_DATA(&control.head), &memory, sizeof memory);
	if (sendmsg(daemon_socket, &message, 0) < 0) give_up("the daemon did not take the ring");
	printf("{\"pid\":%d}\n", peer.pid);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 5) give_up("usage: ring-peer SOCKET DEVICE_BYTES [ONWARD_AT ONWARD_STEP]");
	device_bytes = strtoull(argv[2], NULL, 10);
	if (argc == 5) {
		onward_to = strtoull(argv[3], NULL, 10);
		onward_step = strtoull(argv[4], NULL, 10);
	}
	meet_daemon(argv[1], make_memory());
	char line[128];
	struct workload w;
	while (fgets(line, sizeof line, stdin)) {
		if (!parse(line, &w)) give_up("a workload is `read|write random|sequential|onward|behind BYTES DEPTH MILLISECONDS`");
		run(&w);
	}
	return 0;
}

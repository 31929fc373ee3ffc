/*
 * LD_PRELOAD for a daemon under measurement: /dev/uio0 opens ring-peer's socket (TCMU_BENCH_SOCKET), and mapping it maps
 * ring-peer's memory. The rest lets a daemon that is built on libnl and libkmod start without the TCM-USER netlink family.
 * A daemon that makes these system calls itself, past libc, is not caught.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define NODE "/dev/uio0"

static int node = -1, memory = -1;

static int receive_memory(int socket_fd)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
	char byte;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
	if (recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&message)) return -1;
	int fd;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

static int open_node(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("TCMU_BENCH_SOCKET");
	if (node >= 0) return errno = EBUSY, -1; /* UIO of TCMU has one opener */
	if (!path || strlen(path) >= sizeof address.sun_path) return errno = ENODEV, -1;
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	if (connect(fd, (void *)&address, sizeof address) || (memory = receive_memory(fd)) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		close(fd);
		return errno = ENODEV, -1;
	}
	return node = fd;
}

static int open_any(const char *path, int flags, mode_t mode)
{
	return strcmp(path, NODE) ? (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode) : open_node();
}

static void *map_any(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, at, length, protection, flags, fd >= 0 && fd == node ? memory : fd, offset);
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return open_any(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return map_any(at, length, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) __attribute__((alias("mmap")));

/* What tcmu-runner asks of libnl and libkmod at its start: the family has an answer, the module needs no loading. */
int genl_ops_resolve(void *socket_handle, void *operations) { (void)socket_handle, (void)operations; return 0; }
int genl_ctrl_resolve_grp(void *socket_handle, const char *family, const char *group) { (void)socket_handle, (void)family, (void)group; return 1; }
int nl_socket_add_membership(void *socket_handle, int group) { (void)socket_handle, (void)group; return 0; }
int nl_send_sync(void *socket_handle, void *message) { (void)socket_handle, (void)message; return 0; }
int kmod_module_new_from_lookup(void *context, const char *alias_name, void **list) { (void)context, (void)alias_name, (void)list; return -ENOENT; }

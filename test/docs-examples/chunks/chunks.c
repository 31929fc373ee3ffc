#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tcmu-runner.h"

#define CHUNK (1024 * 1024)

struct disk {
	char folder[PATH_MAX];
};

static int chunk_open(struct disk *disk, off_t at)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%08llx", disk->folder, (unsigned long long)at / CHUNK);
	return open(path, O_RDWR | O_CREAT, 0600);
}

/* The path begins behind the subtype and a slash. */
static const char *folder_of(const char *cfgstring)
{
	const char *slash = strchr(cfgstring, '/');

	return slash && slash[1] == '/' ? slash + 1 : NULL;
}

static bool chunks_check_config(const char *cfgstring, char **reason)
{
	if (folder_of(cfgstring))
		return true;
	*reason = strdup("the folder must be absolute");
	return false;
}

static int chunks_open(struct tcmu_device *dev, bool reopen)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	(void)reopen;
	if (!disk)
		return -ENOMEM;
	snprintf(disk->folder, sizeof(disk->folder), "%s", folder_of(tcmu_dev_get_cfgstring(dev)));
	tcmur_dev_set_private(dev, disk);
	return 0;
}

static void chunks_close(struct tcmu_device *dev)
{
	free(tcmur_dev_get_private(dev));
}

static int chunks_read(struct tcmu_device *dev, struct tcmur_cmd *cmd, struct iovec *iov, size_t iov_cnt, size_t length, off_t offset)
{
	struct disk *disk = tcmur_dev_get_private(dev);
	char *buffer = malloc(CHUNK);
	int status = buffer ? TCMU_STS_OK : TCMU_STS_NO_RESOURCE;

	(void)cmd;
	while (length && status == TCMU_STS_OK) {
		size_t from = offset % CHUNK;
		size_t part = length < CHUNK - from ? length : CHUNK - from;
		int fd = chunk_open(disk, offset);
		ssize_t got = fd < 0 ? -1 : pread(fd, buffer, part, from);

		if (got < 0)
			status = TCMU_STS_RD_ERR;
		else {
			/* Beyond the end of the file there are zeroes. */
			memset(buffer + got, 0, part - got);
			tcmu_memcpy_into_iovec(iov, iov_cnt, buffer, part);
		}
		if (fd >= 0)
			close(fd);
		length -= part;
		offset += part;
	}
	free(buffer);
	return status;
}

static int chunks_write(struct tcmu_device *dev, struct tcmur_cmd *cmd, struct iovec *iov, size_t iov_cnt, size_t length, off_t offset)
{
	struct disk *disk = tcmur_dev_get_private(dev);
	char *buffer = malloc(CHUNK);
	int status = buffer ? TCMU_STS_OK : TCMU_STS_NO_RESOURCE;

	(void)cmd;
	while (length && status == TCMU_STS_OK) {
		size_t from = offset % CHUNK;
		size_t part = length < CHUNK - from ? length : CHUNK - from;
		int fd = chunk_open(disk, offset);

		tcmu_memcpy_from_iovec(buffer, part, iov, iov_cnt);
		if (fd < 0 || pwrite(fd, buffer, part, from) != (ssize_t)part)
			status = TCMU_STS_WR_ERR;
		if (fd >= 0)
			close(fd);
		length -= part;
		offset += part;
	}
	free(buffer);
	return status;
}

static int chunks_flush(struct tcmu_device *dev, struct tcmur_cmd *cmd)
{
	(void)dev;
	(void)cmd;
	sync();
	return TCMU_STS_OK;
}

static struct tcmur_handler chunks = {
	.name = "a disk in files of 1 MiB",
	.subtype = "chunks",
	.cfg_desc = "/path/of/a/folder",
	.check_config = chunks_check_config,
	.open = chunks_open,
	.close = chunks_close,
	.read = chunks_read,
	.write = chunks_write,
	.flush = chunks_flush,
	.nr_threads = 2,
};

int handler_init(void)
{
	return tcmur_register_handler(&chunks);
}

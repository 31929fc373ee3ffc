/* Stands in for the C daemon in the test: one device, one command. driver CFGSTRING read|write OFFSET LENGTH */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tcmu-runner.h"

struct tcmu_device {
	char *cfgstring;
	void *state;
};

static struct tcmur_handler *handler;
int handler_init(void);

int tcmur_register_handler(struct tcmur_handler *h)
{
	handler = h;
	return 0;
}
char *tcmu_dev_get_cfgstring(struct tcmu_device *dev) { return dev->cfgstring; }
void tcmur_dev_set_private(struct tcmu_device *dev, void *state) { dev->state = state; }
void *tcmur_dev_get_private(struct tcmu_device *dev) { return dev->state; }

/* Both take away from the front what they have copied. */
static size_t copied(struct iovec *iov, size_t iov_cnt, char *mine, size_t length, bool in)
{
	size_t done = 0;

	for (; iov_cnt && done < length; iov++, iov_cnt--) {
		size_t n = iov->iov_len < length - done ? iov->iov_len : length - done;

		memcpy(in ? iov->iov_base : mine + done, in ? mine + done : iov->iov_base, n);
		iov->iov_base = (char *)iov->iov_base + n;
		iov->iov_len -= n;
		done += n;
	}
	return done;
}
size_t tcmu_memcpy_into_iovec(struct iovec *iov, size_t iov_cnt, void *from, size_t length) { return copied(iov, iov_cnt, from, length, true); }
size_t tcmu_memcpy_from_iovec(void *to, size_t length, struct iovec *iov, size_t iov_cnt) { return copied(iov, iov_cnt, to, length, false); }

int main(int argc, char **argv)
{
	char *reason = NULL;

	if (argc != 5 || handler_init() || !handler->check_config(argv[1], &reason)) {
		fprintf(stderr, "%s\n", reason ? reason : "called wrongly");
		free(reason);
		return 2;
	}
	size_t length = strtoul(argv[4], NULL, 10), half = length / 2 + 1;
	char *data = calloc(1, length);
	struct iovec iov[] = { { data, half }, { data + half, length - half } };
	struct tcmu_device dev = { argv[1], NULL };
	bool writes = !strcmp(argv[2], "write");

	if (writes && fread(data, 1, length, stdin) != length)
		return 2;
	int status = handler->open(&dev, false);
	if (!status)
		status = (writes ? handler->write : handler->read)(&dev, NULL, iov, 2, length, strtoul(argv[3], NULL, 10));
	if (!status)
		status = handler->flush(&dev, NULL);
	if (!status && !writes)
		fwrite(data, 1, length, stdout);
	handler->close(&dev);
	free(data);
	return status;
}

/* As much of the C daemon's interface as chunks.c uses, declared for the test that compiles it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { TCMU_STS_OK = 0, TCMU_STS_NO_RESOURCE = 1, TCMU_STS_WR_ERR = 4, TCMU_STS_RD_ERR = 5 };

struct tcmu_device;
struct tcmur_cmd;

struct tcmur_handler {
	const char *name;
	const char *subtype;
	const char *cfg_desc;
	int nr_threads;
	bool (*check_config)(const char *cfgstring, char **reason);
	int (*open)(struct tcmu_device *dev, bool reopen);
	void (*close)(struct tcmu_device *dev);
	int (*read)(struct tcmu_device *, struct tcmur_cmd *, struct iovec *, size_t iov_cnt, size_t length, off_t offset);
	int (*write)(struct tcmu_device *, struct tcmur_cmd *, struct iovec *, size_t iov_cnt, size_t length, off_t offset);
	int (*flush)(struct tcmu_device *, struct tcmur_cmd *);
};

int tcmur_register_handler(struct tcmur_handler *handler);
char *tcmu_dev_get_cfgstring(struct tcmu_device *dev);
void tcmur_dev_set_private(struct tcmu_device *dev, void *state);
void *tcmur_dev_get_private(struct tcmu_device *dev);
size_t tcmu_memcpy_into_iovec(struct iovec *iov, size_t iov_cnt, void *from, size_t length);
size_t tcmu_memcpy_from_iovec(void *to, size_t length, struct iovec *iov, size_t iov_cnt);

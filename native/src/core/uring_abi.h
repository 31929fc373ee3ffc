#pragma once
#include <cstddef>
#include <cstdint>

// What we use of <linux/io_uring.h>, in our own words: the headers of the machine that builds may be older than the kernel
// that runs, and their anonymous unions change. test/abi compares every number with the system's header.
namespace tcmu::uring {

struct Sqe {
  uint8_t opcode;
  uint8_t flags;
  uint16_t ioprio;
  int32_t fd;
  uint64_t offset;
  uint64_t address;
  uint32_t length;
  uint32_t rw_flags;
  uint64_t user_data;
  uint64_t unused[3];
};

struct Cqe {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};

struct SqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, unused;
  uint64_t user_address;
};

struct CqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, unused;
  uint64_t user_address;
};

struct Params {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
  uint32_t unused[3];
  SqOffsets sq;
  CqOffsets cq;
};

struct ProbeOp {
  uint8_t op;
  uint8_t unused;
  uint16_t flags;
  uint32_t unused2;
};

struct Probe {
  uint8_t last_op;
  uint8_t ops_len;
  uint16_t unused;
  uint32_t unused2[3];
  ProbeOp ops[256];
};

// One number on every architecture but alpha.
constexpr long kSysSetup = 425;
constexpr long kSysEnter = 426;
constexpr long kSysRegister = 427;

constexpr uint8_t kOpReadv = 1;
constexpr uint8_t kOpWritev = 2;
constexpr uint8_t kOpRead = 22;
constexpr uint8_t kOpWrite = 23;

constexpr uint32_t kSetupCqSize = 1u << 3;
constexpr uint32_t kSetupSubmitAll = 1u << 7;
constexpr uint32_t kSetupTaskrunFlag = 1u << 9;
constexpr uint32_t kSetupSingleIssuer = 1u << 12;
constexpr uint32_t kSetupDeferTaskrun = 1u << 13;

constexpr uint32_t kFeatSingleMmap = 1u << 0;
constexpr uint32_t kFeatNoDrop = 1u << 1;
constexpr uint32_t kFeatSubmitStable = 1u << 2;

constexpr uint32_t kSqCqOverflow = 1u << 1;
constexpr uint32_t kSqTaskrun = 1u << 2;
constexpr uint32_t kCqEventfdDisabled = 1u << 0;

constexpr uint32_t kEnterGetEvents = 1u << 0;

constexpr uint32_t kRegisterEventfd = 4;
constexpr uint32_t kRegisterProbe = 8;
constexpr uint32_t kRegisterIowqMaxWorkers = 19;
constexpr uint16_t kProbeSupported = 1u << 0;

constexpr int64_t kMapRings = 0;
constexpr int64_t kMapSqes = 0x10000000;

}  // namespace tcmu::uring

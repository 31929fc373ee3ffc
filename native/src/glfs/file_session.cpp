#include "file_session.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tcmu::glfs {

const FileSession::Row FileSession::kRows[] = {
    {"connect", 6, Row::kNothing, &FileSession::Connect},
    {"open", 2, Row::kVolume, &FileSession::Open},
    {"create", 1, Row::kVolume, &FileSession::Create},
    {"truncate", 1, Row::kFile, &FileSession::Truncate},
    {"stat", 0, Row::kFile, &FileSession::Stat},
    {"extents", 2, Row::kFile, &FileSession::Extents},
    {"space", 0, Row::kFile, &FileSession::Space},
    {"enforceLocks", 0, Row::kFile, &FileSession::Enforce},
    {"lock", 0, Row::kFile, &FileSession::Lock},
    {"unlock", 0, Row::kFile, &FileSession::Unlock},
    {"lockedByOther", 0, Row::kFile, &FileSession::LockedByOther},
};

int FileSession::Call(const std::string& name, const Texts& arguments, Texts* results) {
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    if (arguments.size() < row.arguments) return -EINVAL;
    if (row.needs >= Row::kVolume && connection_ == nullptr) return -ENOTCONN;
    if (row.needs >= Row::kFile && file() == nullptr) return -EBADF;
    return (this->*row.method)(arguments, results);
  }
  return -ENOSYS;
}

void FileSession::End() {
  std::shared_ptr<OpenFile> file;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    file.swap(file_);
  }
  connection_.reset();
}

std::shared_ptr<OpenFile> FileSession::file() {
  std::unique_lock<std::mutex> lock(mutex_);
  return file_;
}

static int Checked(int result) { return result < 0 ? -errno : 0; }

// connect(volume, log file, log level, and for each server: transport, host, port).
int FileSession::Connect(const Texts& arguments, Texts*) {
  Address address{arguments[0], {}, arguments[1], atoi(arguments[2].c_str())};
  for (size_t i = 3; i + 2 < arguments.size(); i += 3) address.servers.push_back({arguments[i], arguments[i + 1], atoi(arguments[i + 2].c_str())});
  std::shared_ptr<Connection> connection = Connection::To(address);
  int result = connection->Connect();
  if (result == 0) connection_ = connection;
  return result;
}

static bool SaysLost(int error) { return error == ENOTCONN || error == EBADFD || error == ESTALE || error == ETIMEDOUT; }

int FileSession::Opened(File file) {
  if (file == nullptr) {
    int error = errno;
    if (SaysLost(error)) connection_->Retire();
    return -error;
  }
  auto opened = std::make_shared<OpenFile>(file, connection_);
  std::unique_lock<std::mutex> lock(mutex_);
  file_ = opened;
  return 0;
}

// O_NONBLOCK: what a lock of another client is in the way of fails instead of waiting for it.
constexpr int kFlags = O_DIRECT | O_NONBLOCK | O_CLOEXEC;

// open(path, anything for a file that is only read).
int FileSession::Open(const Texts& arguments, Texts*) {
  return Opened(library.glfs_open(connection_->volume(), arguments[0].c_str(), kFlags | (arguments[1].empty() ? O_RDWR : O_RDONLY)));
}

// create(path): a new, empty file.
int FileSession::Create(const Texts& arguments, Texts*) {
  return Opened(library.glfs_creat(connection_->volume(), arguments[0].c_str(), kFlags | O_RDWR | O_EXCL, S_IRUSR | S_IWUSR));
}

int FileSession::Truncate(const Texts& arguments, Texts*) {
  return Checked(library.glfs_ftruncate(file()->get(), strtoll(arguments[0].c_str(), nullptr, 10), nullptr, nullptr));
}

// Bytes of the file, and of its storage.
int FileSession::Stat(const Texts&, Texts* results) {
  constexpr int64_t kStatBlock = 512;
  struct stat st;
  int result = Checked(library.glfs_fstat(file()->get(), &st));
  if (result == 0) *results = {std::to_string(st.st_size), std::to_string(st.st_blocks * kStatBlock)};
  return result;
}

// extents(offset, length): pairs of texts, where something is stored and how much. What has more pieces than this is all stored.
int FileSession::Extents(const Texts& arguments, Texts* results) {
  constexpr size_t kMaxTexts = 2 * 4096;
  File file = this->file()->get();
  off_t at = strtoll(arguments[0].c_str(), nullptr, 10);
  const off_t end = at + strtoll(arguments[1].c_str(), nullptr, 10);
  while (at < end) {
    off_t data = results->size() < kMaxTexts ? library.glfs_lseek(file, at, SEEK_DATA) : at;
    // ENXIO: nothing is stored any more.
    if (data < 0) return errno == ENXIO ? 0 : -errno;
    if (data >= end) return 0;
    off_t hole = results->size() < kMaxTexts ? library.glfs_lseek(file, data, SEEK_HOLE) : end;
    if (hole <= data || hole > end) hole = end;
    results->push_back(std::to_string(data));
    results->push_back(std::to_string(hole - data));
    at = hole;
  }
  return 0;
}

// Bytes that the volume has left.
int FileSession::Space(const Texts&, Texts* results) {
  struct statvfs st;
  int result = Checked(library.glfs_statvfs(connection_->volume(), "/", &st));
  if (result == 0) *results = {std::to_string(static_cast<uint64_t>(st.f_bavail) * st.f_frsize)};
  return result;
}

// From now on only who holds the lock may read and write; -EINVAL where the volume has no such locks.
int FileSession::Enforce(const Texts&, Texts*) {
  constexpr char kName[] = "trusted.glusterfs.enforce-mandatory-lock";
  constexpr char kValue[] = "set";
  return Checked(library.glfs_fsetxattr(file()->get(), kName, kValue, strlen(kValue) + 1, 0));
}

int FileSession::LockWhole(int command, short type, struct flock* lock) {
  if (library.glfs_file_lock == nullptr) return -EOPNOTSUPP;
  *lock = {};
  lock->l_type = type;
  lock->l_whence = SEEK_SET;
  return Checked(library.glfs_file_lock(file()->get(), command, lock, kMandatory));
}

int FileSession::Lock(const Texts&, Texts*) {
  struct flock lock;
  return LockWhole(F_SETLK, F_WRLCK, &lock);
}

int FileSession::Unlock(const Texts&, Texts*) {
  struct flock lock;
  return LockWhole(F_SETLK, F_UNLCK, &lock);
}

// A text when another client has the lock.
int FileSession::LockedByOther(const Texts&, Texts* results) {
  struct flock lock;
  int result = LockWhole(F_GETLK, F_WRLCK, &lock);
  if (result == 0) *results = {lock.l_type == F_UNLCK ? "" : "1"};
  return result;
}

}  // namespace tcmu::glfs

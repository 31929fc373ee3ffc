#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "library.h"

namespace tcmu::glfs {

struct Server {
  std::string transport;
  std::string host;
  int port;
};

// Who knows a volume, and where the library writes its log (an empty name: nowhere).
struct Address {
  std::string volume;
  std::vector<Server> servers;
  std::string log_file;
  int log_level;
  std::string Text() const;
};

// A connection to a volume, one for all files of a process that are open on it: each costs seven threads or more. When nobody
// has used it for a while it ends, in the background: glfs_fini takes up to eleven seconds.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // The one to this address, made if there is none; not connected yet.
  static std::shared_ptr<Connection> To(const Address& address);
  // How many there are to be had in this process.
  static size_t Count();

  explicit Connection(const Address& address) : address_(address) {}
  ~Connection();
  // Waits until the volume is there: 0 or a negative errno. Another attempt after one that failed begins anew.
  int Connect();
  // It does not work any more: who wants one from now on gets another.
  void Retire();
  Volume volume() const { return volume_; }

 private:
  static void Keep(const std::shared_ptr<Connection>& self);

  const Address address_;
  std::mutex mutex_;
  Volume volume_ = nullptr;
};

// An open file; closes in the background when nobody uses it any more, since that waits for a brick that does not answer.
class OpenFile {
 public:
  OpenFile(File file, std::shared_ptr<Connection> connection) : file_(file), connection_(std::move(connection)) {}
  OpenFile(const OpenFile&) = delete;
  ~OpenFile();
  File get() const { return file_; }
  Volume volume() const { return connection_->volume(); }

 private:
  const File file_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace tcmu::glfs

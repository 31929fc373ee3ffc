#include "connection.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <map>

namespace tcmu::glfs {

namespace {

// A device that is opened again, and the next one that is checked, find the connection of the one before.
constexpr unsigned kLookSeconds = 5;

const std::string kNowhere = "/dev/null";

using Work = std::function<void()>;

void* Run(void* given) {
  std::unique_ptr<Work> work(static_cast<Work*>(given));
  (*work)();
  return nullptr;
}

// On a thread that nobody waits for, the process's end neither. Without a thread to be had it is not done at all: what it would
// end then lasts as long as the process.
void InBackground(Work work) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  auto given = std::make_unique<Work>(std::move(work));
  pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&thread, &attributes, Run, given.get()) == 0) {
    pthread_setname_np(thread, "tcmu-glfs-end");
    given.release();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
}

// Never destroyed: connections end while the process does.
struct Registry {
  std::mutex mutex;
  // What has no owner any more takes itself out.
  struct Known {
    std::weak_ptr<Connection> connection;
    const Connection* self;
  };
  std::map<std::string, Known> connections;
};
Registry& registry() {
  static Registry* registry = new Registry();
  return *registry;
}

}  // namespace

std::string Address::Text() const {
  std::string text = volume;
  for (const Server& server : servers) text += '\n' + server.transport + '\n' + server.host + '\n' + std::to_string(server.port);
  return text + '\n' + log_file + '\n' + std::to_string(log_level);
}

std::shared_ptr<Connection> Connection::To(const Address& address) {
  std::unique_lock<std::mutex> lock(registry().mutex);
  Registry::Known& known = registry().connections[address.Text()];
  std::shared_ptr<Connection> connection = known.connection.lock();
  if (connection == nullptr) {
    connection = std::make_shared<Connection>(address);
    known = {connection, connection.get()};
  }
  return connection;
}

size_t Connection::Count() {
  std::unique_lock<std::mutex> lock(registry().mutex);
  size_t count = 0;
  for (const auto& [text, known] : registry().connections) count += !known.connection.expired();
  return count;
}

void Connection::Retire() {
  std::unique_lock<std::mutex> lock(registry().mutex);
  auto known = registry().connections.find(address_.Text());
  // It may be another's place by now.
  if (known != registry().connections.end() && known->second.self == this) registry().connections.erase(known);
}

Connection::~Connection() {
  Retire();
  if (volume_ != nullptr) InBackground([volume = volume_] { library.glfs_fini(volume); });
}

// Until nobody else has had it at two looks.
void Connection::Keep(const std::shared_ptr<Connection>& self) {
  for (int unused = 0; unused < 2; unused = self.use_count() > 1 ? 0 : unused + 1) sleep(kLookSeconds);
}

int Connection::Connect() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (volume_ != nullptr) return 0;
  Volume volume = library.glfs_new(address_.volume.c_str());
  if (volume == nullptr) return -ENOMEM;
  int result = 0;
  for (const Server& server : address_.servers) {
    if (result == 0) result = library.glfs_set_volfile_server(volume, server.transport.c_str(), server.host.c_str(), server.port);
  }
  // Without a name it would choose one in /var/log.
  const std::string& log = address_.log_file.empty() ? kNowhere : address_.log_file;
  if (result == 0) result = library.glfs_set_logging(volume, log.c_str(), address_.log_level);
  if (result == 0) result = library.glfs_init(volume);
  if (result == 0) {
    volume_ = volume;
    InBackground([self = shared_from_this()] { Keep(self); });
    return 0;
  }
  int error = errno;
  InBackground([volume] { library.glfs_fini(volume); });
  return error > 0 ? -error : -ENOTCONN;
}

OpenFile::~OpenFile() {
  InBackground([file = file_, connection = std::move(connection_)] { library.glfs_close(file); });
}

}  // namespace tcmu::glfs

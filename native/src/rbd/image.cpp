#include "image.h"

#include <cerrno>
#include <cstdlib>

namespace tcmu::rbd {

const ImageSession::Row ImageSession::kRows[] = {
    {"create", 1, Row::kNothing, &ImageSession::Create},
    {"readConf", 1, Row::kCluster, &ImageSession::ReadConf},
    {"setConf", 2, Row::kCluster, &ImageSession::SetConf},
    {"getConf", 1, Row::kCluster, &ImageSession::GetConf},
    {"connect", 0, Row::kCluster, &ImageSession::Connect},
    {"address", 0, Row::kCluster, &ImageSession::Address},
    {"openPool", 2, Row::kCluster, &ImageSession::OpenPool},
    {"open", 3, Row::kCluster, &ImageSession::Open},
    {"monitor", 1, Row::kCluster, &ImageSession::Monitor},
    {"register", 2, Row::kCluster, &ImageSession::Register},
    {"updateStatus", 0, Row::kCluster, &ImageSession::UpdateStatus},
    {"stat", 0, Row::kImage, &ImageSession::Stat},
    {"size", 0, Row::kImage, &ImageSession::Size},
    {"resize", 1, Row::kImage, &ImageSession::Resize},
    {"watch", 0, Row::kImage, &ImageSession::Watch},
    {"extents", 2, Row::kImage, &ImageSession::Extents},
    {"used", 0, Row::kImage, &ImageSession::Used},
    {"isLockOwner", 0, Row::kImage, &ImageSession::IsLockOwner},
    {"acquireLock", 0, Row::kImage, &ImageSession::AcquireLock},
    {"releaseLock", 0, Row::kImage, &ImageSession::ReleaseLock},
    {"breakLock", 1, Row::kImage, &ImageSession::BreakLock},
    {"lockOwners", 0, Row::kImage, &ImageSession::LockOwners},
    {"getMetadata", 1, Row::kImage, &ImageSession::GetMetadata},
    {"setMetadata", 2, Row::kImage, &ImageSession::SetMetadata},
    {"removeMetadata", 1, Row::kImage, &ImageSession::RemoveMetadata},
};

int ImageSession::Call(const std::string& name, const Texts& arguments, Texts* results) {
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    if (arguments.size() < row.arguments) return -EINVAL;
    if (row.needs >= Row::kCluster && cluster_ == nullptr) return -ENOTCONN;
    if (row.needs >= Row::kImage && image_ == nullptr) return -ENOTCONN;
    return (this->*row.method)(arguments, results);
  }
  return -ENOSYS;
}

Image ImageSession::Hold() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!open_) return nullptr;
  held_++;
  return image_;
}

void ImageSession::LetGo() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (--held_ == 0) idle_.notify_all();
}

void ImageSession::End() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    open_ = false;
    idle_.wait(lock, [this] { return held_ == 0; });
  }
  if (watching_) rbd.update_unwatch(image_, watch_);
  if (image_ != nullptr) rbd.close(image_);
  if (pool_ != nullptr) rados.ioctx_destroy(pool_);
  if (cluster_ != nullptr) rados.shutdown(cluster_);
}

int ImageSession::Open(const Texts& arguments, Texts*) {
  if (pool_ == nullptr || image_ != nullptr) return -EINVAL;
  const char* snapshot = arguments[1].empty() ? nullptr : arguments[1].c_str();
  auto open = arguments[2].empty() ? rbd.open : rbd.open_read_only;
  int result = open(pool_, arguments[0].c_str(), &image_, snapshot);
  if (result < 0) return image_ = nullptr, result;
  std::unique_lock<std::mutex> lock(mutex_);
  open_ = true;
  return 0;
}

int ImageSession::Stat(const Texts&, Texts* results) {
  ImageInfo info{};
  uint64_t features;
  char id[256] = "";
  int result = rbd.stat(image_, &info, sizeof(info));
  if (result == 0) result = rbd.get_features(image_, &features);
  if (result < 0) return result;
  // Images of the first format have no id.
  rbd.get_id(image_, id, sizeof(id));
  *results = {std::to_string(info.size), std::to_string(info.object_size), std::to_string(features), id};
  return 0;
}

int ImageSession::Size(const Texts&, Texts* results) {
  uint64_t size;
  int result = rbd.get_size(image_, &size);
  *results = {std::to_string(size)};
  return result;
}

int ImageSession::Resize(const Texts& arguments, Texts*) {
  return rbd.resize(image_, strtoull(arguments[0].c_str(), nullptr, 10));
}

int ImageSession::Watch(const Texts&, Texts*) {
  if (watching_) return -EEXIST;
  int result = rbd.update_watch(
      image_, &watch_, [](void* self) { static_cast<ImageSession*>(self)->changed_(); }, this);
  watching_ = result == 0;
  return result;
}

// Pairs of texts: where something is stored, and how much.
int ImageSession::Extents(const Texts& arguments, Texts* results) {
  return rbd.diff_iterate2(
      image_, nullptr, strtoull(arguments[0].c_str(), nullptr, 10), strtoull(arguments[1].c_str(), nullptr, 10), 1, 1,
      [](uint64_t offset, size_t length, int exists, void* list) {
        if (!exists) return 0;
        static_cast<Texts*>(list)->push_back(std::to_string(offset));
        static_cast<Texts*>(list)->push_back(std::to_string(length));
        return 0;
      },
      results);
}

// What is stored of the image itself, not of what it was cloned from: one number of what may be millions of objects.
int ImageSession::Used(const Texts&, Texts* results) {
  uint64_t size, used = 0;
  int result = rbd.get_size(image_, &size);
  if (result < 0) return result;
  result = rbd.diff_iterate2(
      image_, nullptr, 0, size, 0, 1,
      [](uint64_t, size_t length, int exists, void* sum) {
        if (exists) *static_cast<uint64_t*>(sum) += length;
        return 0;
      },
      &used);
  *results = {std::to_string(used)};
  return result;
}

}  // namespace tcmu::rbd

#include <cerrno>
#include <cstdlib>

#include "image.h"

namespace tcmu::rbd {

// An empty text stands for the library's own choice.
static const char* OrDefault(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

int ImageSession::Create(const Texts& arguments, Texts*) {
  return cluster_ != nullptr ? -EEXIST : rados.create(&cluster_, OrDefault(arguments[0]));
}

int ImageSession::ReadConf(const Texts& arguments, Texts*) {
  return rados.conf_read_file(cluster_, OrDefault(arguments[0]));
}

int ImageSession::SetConf(const Texts& arguments, Texts*) {
  return rados.conf_set(cluster_, arguments[0].c_str(), arguments[1].c_str());
}

int ImageSession::GetConf(const Texts& arguments, Texts* results) {
  char value[4096] = "";
  int result = rados.conf_get(cluster_, arguments[0].c_str(), value, sizeof(value));
  *results = {value};
  return result;
}

int ImageSession::Connect(const Texts&, Texts*) { return rados.connect(cluster_); }

int ImageSession::Address(const Texts&, Texts* results) {
  char* addresses = nullptr;
  int result = rados.getaddrs(cluster_, &addresses);
  if (result == 0 && addresses != nullptr) *results = {addresses};
  free(addresses);
  return result;
}

int ImageSession::OpenPool(const Texts& arguments, Texts*) {
  if (pool_ != nullptr) return -EEXIST;
  int result = rados.ioctx_create(cluster_, arguments[0].c_str(), &pool_);
  if (result < 0) return pool_ = nullptr, result;
  rados.ioctx_set_namespace(pool_, arguments[1].c_str());
  return 0;
}

// A monitor's answer: what it gives, and what it says to people.
int ImageSession::Monitor(const Texts& arguments, Texts* results) {
  const char* command = arguments[0].c_str();
  char *out = nullptr, *status = nullptr;
  size_t out_size = 0, status_size = 0;
  int result = rados.mon_command(cluster_, &command, 1, "", 0, &out, &out_size, &status, &status_size);
  *results = {std::string(out == nullptr ? "" : out, out_size), std::string(status == nullptr ? "" : status, status_size)};
  if (out != nullptr) rados.buffer_free(out);
  if (status != nullptr) rados.buffer_free(status);
  return result;
}

// Keys and values in turn from `first` on, each ended by a zero byte, and an empty one at the end.
static std::string Dictionary(const Texts& arguments, size_t first) {
  std::string joined;
  for (size_t i = first; i < arguments.size(); i++) (joined += arguments[i]) += '\0';
  return joined + '\0';
}

int ImageSession::Register(const Texts& arguments, Texts*) {
  return rados.service_register(cluster_, arguments[0].c_str(), arguments[1].c_str(), Dictionary(arguments, 2).c_str());
}

int ImageSession::UpdateStatus(const Texts& arguments, Texts*) {
  return rados.service_update_status(cluster_, Dictionary(arguments, 0).c_str());
}

}  // namespace tcmu::rbd

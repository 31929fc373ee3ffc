#include "io_table.h"

#include <climits>

#include "errors.h"

namespace tcmu {

namespace {

template <typename T>
struct Column {
  const char* name;
  T** data;
};

// The first column sets the length of its table (`*rows`, when it is 0); the others must have the same.
template <typename T>
bool Take(Napi::Object object, napi_typedarray_type type, const Column<T>& column, int32_t* rows) {
  Napi::Value value = object.Get(column.name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    ThrowTypeError(object.Env(), (std::string("column ") + column.name + " is missing or of the wrong type").c_str());
    return false;
  }
  Napi::TypedArray array = value.As<Napi::TypedArray>();
  size_t length = array.ElementLength();
  if (*rows == 0 && length > 0 && length <= INT_MAX) *rows = static_cast<int32_t>(length);
  if (length == 0 || length != static_cast<size_t>(*rows)) {
    ThrowTypeError(object.Env(), (std::string("column ") + column.name + " has another length than its table").c_str());
    return false;
  }
  *column.data = reinterpret_cast<T*>(static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset());
  return true;
}

}  // namespace

bool IoTable::Attach(Napi::Object object) {
  IoTable next;
  const Column<int32_t> words[] = {{"op", &next.op},           {"flags", &next.flags},        {"file", &next.file},
                                   {"area", &next.area},       {"iovFirst", &next.iov_first}, {"iovCount", &next.iov_count},
                                   {"token", &next.token},     {"turn", &next.turn}};
  const Column<double> numbers[] = {{"offset", &next.offset}, {"length", &next.length}, {"result", &next.result}};
  const Column<double> iovs[] = {{"iovOffset", &next.iov_offset}, {"iovLength", &next.iov_length}};
  for (const auto& c : words) if (!Take(object, napi_int32_array, c, &next.rows)) return false;
  for (const auto& c : numbers) if (!Take(object, napi_float64_array, c, &next.rows)) return false;
  for (const auto& c : iovs) if (!Take(object, napi_float64_array, c, &next.iovs)) return false;
  if (!Take(object, napi_int32_array, Column<int32_t>{"doneToken", &next.done_token}, &next.done_rows)) return false;
  if (!Take(object, napi_float64_array, Column<double>{"doneResult", &next.done_result}, &next.done_rows)) return false;
  // A copy of the object holds the very arrays whose addresses we took, whatever the caller does to its own.
  Napi::Object keep = Napi::Object::New(object.Env());
  for (const auto& c : words) keep.Set(c.name, object.Get(c.name));
  for (const auto& c : numbers) keep.Set(c.name, object.Get(c.name));
  for (const auto& c : iovs) keep.Set(c.name, object.Get(c.name));
  for (const char* name : {"doneToken", "doneResult"}) keep.Set(name, object.Get(name));
  next.keep_ = Napi::Persistent(keep);
  *this = std::move(next);
  return true;
}

}  // namespace tcmu

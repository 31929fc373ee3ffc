#pragma once
#include <napi.h>

#include <cstdint>

namespace tcmu {

// The submission and completion tables: typed arrays that JavaScript made and both sides use. One row is one operation.
class IoTable {
 public:
  // Takes the arrays of `object` by name; throws a TypeError and returns false when one is missing, of another type or
  // shorter than its table. May be called again with larger arrays.
  bool Attach(Napi::Object object);

  int32_t rows = 0;
  int32_t* op = nullptr;
  int32_t* flags = nullptr;
  int32_t* file = nullptr;
  int32_t* area = nullptr;
  int32_t* iov_first = nullptr;
  int32_t* iov_count = nullptr;
  int32_t* token = nullptr;
  int32_t* turn = nullptr;
  double* offset = nullptr;
  double* length = nullptr;
  double* result = nullptr;

  int32_t iovs = 0;
  double* iov_offset = nullptr;
  double* iov_length = nullptr;

  int32_t done_rows = 0;
  int32_t* done_token = nullptr;
  double* done_result = nullptr;

 private:
  Napi::ObjectReference keep_;
};

}  // namespace tcmu

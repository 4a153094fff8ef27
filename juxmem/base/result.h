// Expected failures as values: Result<T> and its Error.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "juxmem/include/juxmem/errors.h"

namespace juxmem {

// Made from the same list as the C API's JUXMEM_E... numbers.
enum class Code : std::uint8_t {
#define JUXMEM_CODE(NAME, name, number, text) name = number,
  JUXMEM_ERRORS(JUXMEM_CODE)
#undef JUXMEM_CODE
};

// The list's text for a code; "unknown error" for a number outside the list.
const char* text_of(Code code);
// The C name, e.g. "JUXMEM_ENOSPC".
const char* name_of(Code code);
// Whether a number read from outside is a code of the list.
bool is_code(std::uint32_t number);

// What failed, and for people: what happened, to what, and what to do next.
struct Error {
  Code code = Code::kInternal;
  std::string detail;
  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Code code, std::string detail = {}) {
  return std::unexpected(Error{code, std::move(detail)});
}

// "detail (text of the code)", or the text alone.
std::string to_string(const Error& error);

}  // namespace juxmem

#include "juxmem/base/result.h"

namespace juxmem {

const char* text_of(Code code) {
  switch (code) {
#define JUXMEM_TEXT(NAME, name, number, text) \
  case Code::name:                            \
    return text;
    JUXMEM_ERRORS(JUXMEM_TEXT)
#undef JUXMEM_TEXT
  }
  return "unknown error";
}

const char* name_of(Code code) {
  switch (code) {
#define JUXMEM_NAME(NAME, name, number, text) \
  case Code::name:                            \
    return "JUXMEM_" #NAME;
    JUXMEM_ERRORS(JUXMEM_NAME)
#undef JUXMEM_NAME
  }
  return "JUXMEM_UNKNOWN";
}

bool is_code(std::uint32_t number) {
  switch (number) {
#define JUXMEM_NUMBER(NAME, name, number, text) case number:
    JUXMEM_ERRORS(JUXMEM_NUMBER)
#undef JUXMEM_NUMBER
    return true;
  }
  return false;
}

std::string to_string(const Error& error) {
  const std::string text = text_of(error.code);
  // A detail that came with its text from elsewhere is not given it twice.
  if (error.detail.empty() || error.detail == text) return text;
  if (error.detail.ends_with("(" + text + ")")) return error.detail;
  return error.detail + " (" + text + ")";
}

}  // namespace juxmem

// One of several types, like std::variant, for long lists of them: JUXMEM_ONE_OF(Name, A, B, ...) declares the type in a header, and
// JUXMEM_ONE_OF_MEMBERS(Name) puts its copies, moves, comparison and end into one source file. With a plain std::variant each file
// that only hands messages on would compile them anew for every alternative, which made up half of the build.
//
// std::visit, std::get and the like take it as the std::variant that it is; `Name::variant` names that one.
#pragma once

#include <utility>
#include <variant>

#define JUXMEM_ONE_OF(Name, ...)                      \
  struct Name : std::variant<__VA_ARGS__> {           \
    using variant::variant;                           \
    using variant::operator=;                         \
    Name();                                           \
    Name(const Name& other);                          \
    Name(Name&& other) noexcept;                      \
    Name& operator=(const Name& other);               \
    Name& operator=(Name&& other) noexcept;           \
    ~Name();                                          \
    friend bool operator==(const Name&, const Name&); \
  }

#define JUXMEM_ONE_OF_MEMBERS(Name)                                                             \
  Name::Name() = default;                                                                       \
  Name::Name(const Name& other) = default;                                                      \
  Name::Name(Name&& other) noexcept = default;                                                  \
  Name& Name::operator=(const Name& other) = default;                                           \
  Name& Name::operator=(Name&& other) noexcept = default;                                       \
  Name::~Name() = default;                                                                      \
  bool operator==(const Name& left, const Name& right) {                                        \
    return static_cast<const Name::variant&>(left) == static_cast<const Name::variant&>(right); \
  }                                                                                             \
  static_assert(true)

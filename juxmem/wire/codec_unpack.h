// FlatBuffers into plain structs, checking every value on the way. Included by the codec's own files only.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "juxmem/wire/codec_checks.h"
#include "juxmem/wire/codec_schema.h"
#include "juxmem/wire/limits.h"

namespace juxmem::wire::codec {

// What for: one decoding under way. The head has passed the FlatBuffers verifier, so that no offset leads out of it; what is
//   left to check is what the values mean.
// Invariants: what has been decoded never exceeds the head's size: a head that refers to the same bytes again and
//   again costs no more than an honest one of its size.
// Failure: the first problem is kept and everything after it answers false.
class Unpacker {
 public:
  Unpacker(std::size_t head_bytes, std::span<const Buffer> frames)
      : bytes_left_(head_bytes), frames_(frames), used_(frames.size(), false) {}

  bool fail(const char* problem) {
    if (problem_ == nullptr) problem_ = problem;
    return false;
  }
  const char* problem() const { return problem_; }

  // Counts bytes of the head as decoded.
  bool spend(std::size_t bytes) {
    if (bytes > bytes_left_) return fail("refers to the same bytes more than once");
    bytes_left_ -= bytes;
    return true;
  }

  bool take_frame(std::uint32_t number, Buffer& out) {
    if (number > frames_.size()) return fail("refers to a part that is not there");
    if (used_[number - 1]) return fail("refers to a part twice");
    used_[number - 1] = true;
    ++used_count_;
    out = frames_[number - 1];
    return true;
  }
  bool all_frames_used() const { return used_count_ == frames_.size(); }

 private:
  std::size_t bytes_left_;
  std::span<const Buffer> frames_;
  std::vector<bool> used_;
  std::size_t used_count_ = 0;
  const char* problem_ = nullptr;
};

// Each family of messages is compiled in its own file. False without a problem: the type is of another family.
bool unpack_message(Unpacker& u, juxmem::fbs::AnyMessage type, const void* body, StreamMessage& out);
bool unpack_message(Unpacker& u, juxmem::fbs::AnyMessage type, const void* body, GroupMessage& out);
bool unpack_message(Unpacker& u, juxmem::fbs::AnyMessage type, const void* body, ClientMessage& out);

template <typename T>
bool unpack_table(Unpacker& u, const Schema<T>* table, T& out);
template <typename T>
bool unpack_fixed(Unpacker& u, const Schema<T>& fixed, T& out);
template <typename V, typename T>
bool unpack_list(Unpacker& u, const V& from, std::vector<T>& out);

// The limits of a value whose members have been decoded.
template <typename T>
bool passes_check(Unpacker& u, const T& value) {
  if constexpr (requires { check(value); }) {
    if (const char* problem = check(value)) return u.fail(problem);
  }
  return true;
}

inline bool unpack_bytes(Unpacker& u, const juxmem::fbs::Bytes* bytes, Buffer& out) {
  if (!u.spend(sizeof(flatbuffers::soffset_t))) return false;
  const auto* inline_bytes = bytes->inline_bytes();
  if (bytes->frame() != 0) {
    if (inline_bytes != nullptr) return u.fail("bytes both in place and in a part");
    return u.take_frame(bytes->frame(), out);
  }
  if (inline_bytes == nullptr) return true;
  if (!u.spend(inline_bytes->size())) return false;
  out = Buffer::copy_of(std::as_bytes(std::span(inline_bytes->data(), inline_bytes->size())));
  return true;
}

template <typename E>
bool unpack_enum(Unpacker& u, std::uint8_t number, E last, E& out) {
  if (number > static_cast<std::uint8_t>(last)) return u.fail("a value outside its list");
  out = static_cast<E>(number);
  return true;
}

// One value of a list or a member. Only what can be empty may be left out.
template <typename W, typename T>
bool unpack_member(Unpacker& u, const W& from, T& out) {
  if constexpr (std::is_same_v<T, Code>) {
    if (!is_code(from)) return u.fail("a code outside the list");
    out = static_cast<Code>(from);
    return true;
  } else if constexpr (std::is_same_v<T, Mode>) {
    return unpack_enum(u, static_cast<std::uint8_t>(from), Mode::kExclusive, out);
  } else if constexpr (std::is_same_v<T, Durability>) {
    return unpack_enum(u, static_cast<std::uint8_t>(from), Durability::kDisk, out);
  } else if constexpr (std::is_same_v<T, EntryKind>) {
    return unpack_enum(u, static_cast<std::uint8_t>(from), EntryKind::kStop, out);
  } else if constexpr (std::is_arithmetic_v<T>) {
    static_assert(std::is_same_v<T, W>, "the schema has another type here");
    out = from;
    return true;
  } else if constexpr (IsFixed<T> && !std::is_pointer_v<W>) {
    return unpack_fixed(u, from, out);
  } else {
    if (from == nullptr) {
      if constexpr (HasSchema<T>) return u.fail("without one of its members");
      return true;
    }
    if constexpr (std::is_same_v<T, std::string>) {
      if (from->size() > kTextBytesMax) return u.fail("a text longer than the limit");
      if (!u.spend(from->size())) return false;
      out.assign(from->c_str(), from->size());
      return true;
    } else if constexpr (std::is_same_v<T, Buffer>) {
      return unpack_bytes(u, from, out);
    } else if constexpr (IsFixed<T>) {
      return unpack_fixed(u, *from, out);
    } else if constexpr (HasSchema<T>) {
      return unpack_table(u, from, out);
    } else {
      return unpack_list(u, *from, out);
    }
  }
}

// What lies in the list itself: fixed structs and numbers, or offsets to all else.
template <typename T>
struct WireItem : std::conditional<std::is_arithmetic_v<T>, T, flatbuffers::uoffset_t> {};
template <IsFixed T>
struct WireItem<T> : std::type_identity<Schema<T>> {};

template <typename V, typename T>
bool unpack_list(Unpacker& u, const V& from, std::vector<T>& out) {
  using Item = typename V::return_type;
  using InList = typename WireItem<T>::type;
  if (from.size() > kListMax) return u.fail("a list longer than the limit");
  if (!u.spend(from.size() * sizeof(InList))) return false;
  // The verifier looks at a list's length only, which needs less alignment than its items.
  if (reinterpret_cast<std::uintptr_t>(from.Data()) % alignof(InList) != 0) return u.fail("a list that is not aligned");
  out.resize(from.size());
  for (flatbuffers::uoffset_t i = 0; i < from.size(); ++i) {
    const Item item = from.Get(i);
    if (!unpack_member(u, item, out[i])) return false;
  }
  return true;
}

// Members of fixed structs: numbers, or fixed structs again.
template <typename T>
bool unpack_fixed(Unpacker& u, const Schema<T>& fixed, T& out) {
  const bool all = with_members<kFields<T>>(out, [&](auto&... member) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return (unpack_member(u, fixed.template get_field<I>(), member) && ...);
    }(std::index_sequence_for<decltype(member)...>{});
  });
  return all && passes_check(u, out);
}

// The alternative with this number, if the variant has one. Members of the pack are tried in order.
template <typename Any, typename... Ts>
bool unpack_union(Unpacker& u, Any type, const void* body, std::variant<Ts...>& out) {
  const auto unpack_if = [&]<typename A>(std::type_identity<A>, bool& done) {
    if (type != number_in_union<Any, A>()) return false;
    done = unpack_table(u, static_cast<const Schema<A>*>(body), out.template emplace<A>());
    return true;
  };
  bool done = false;
  (unpack_if(std::type_identity<Ts>{}, done) || ...);
  return done;
}

template <typename T>
bool unpack_table(Unpacker& u, const Schema<T>* table, T& out) {
  if (!u.spend(sizeof(flatbuffers::soffset_t))) return false;
  if constexpr (IsVariant<T>) {
    if (table->body() == nullptr) return u.fail("without its content");
    return unpack_union(u, table->body_type(), table->body(), out) || u.fail("of an unknown kind");
  } else {
    const bool all = with_members<kFields<T>>(out, [&](auto&... member) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return (unpack_member(u, table->template get_field<I>(), member) && ...);
      }(std::index_sequence_for<decltype(member)...>{});
    });
    return all && passes_check(u, out);
  }
}

}  // namespace juxmem::wire::codec

// Plain structs into FlatBuffers, one template for all of them. Included by the codec's own files only.
#pragma once

#include <concepts>
#include <string>
#include <tuple>
#include <utility>

#include "juxmem/wire/codec_schema.h"
#include "juxmem/wire/limits.h"

namespace juxmem::wire::codec {

using flatbuffers::Offset;

// Where a packet is being written: the head, and the Buffers that travel beside it.
struct Packer {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<Buffer> frames;
  bool frames_allowed = true;  // false: everything in place, for commands
};

// A union's value: which alternative, and where.
template <typename Any>
struct Packed {
  Any type;
  Offset<void> body;
};

// Each family of messages is compiled in its own file.
Packed<juxmem::fbs::AnyMessage> pack_message(Packer& packer, const StreamMessage& message);
Packed<juxmem::fbs::AnyMessage> pack_message(Packer& packer, const GroupMessage& message);
Packed<juxmem::fbs::AnyMessage> pack_message(Packer& packer, const ClientMessage& message);

inline Offset<juxmem::fbs::Bytes> pack_bytes(Packer& packer, const Buffer& buffer) {
  if (buffer.empty()) return juxmem::fbs::CreateBytes(packer.builder);
  if (packer.frames_allowed && buffer.size() >= kFrameThresholdBytes) {
    packer.frames.push_back(buffer);
    return juxmem::fbs::CreateBytes(packer.builder, 0, static_cast<std::uint32_t>(packer.frames.size()));
  }
  const auto* data = reinterpret_cast<const std::uint8_t*>(buffer.data());
  return juxmem::fbs::CreateBytes(packer.builder, packer.builder.CreateVector(data, buffer.size()));
}

template <typename T>
Offset<Schema<T>> pack_table(Packer& packer, const T& value);
template <typename T>
auto pack_list(Packer& packer, const std::vector<T>& list);

template <typename T>
auto pack_fixed(const T& value);

// A member as the generated code wants it: numbers and fixed structs as values, all else as offsets.
template <typename T>
auto pack_member(Packer& packer, const T& member, bool in_list = false) {
  if constexpr (std::is_same_v<T, Code>) {
    return static_cast<std::uint8_t>(member);
  } else if constexpr (std::is_same_v<T, Mode>) {
    return static_cast<juxmem::fbs::Mode>(member);
  } else if constexpr (std::is_same_v<T, Durability>) {
    return static_cast<juxmem::fbs::Durability>(member);
  } else if constexpr (std::is_same_v<T, EntryKind>) {
    return static_cast<juxmem::fbs::EntryKind>(member);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return member;
  } else if constexpr (std::is_same_v<T, std::string>) {
    // Only members can be left out, not items of lists.
    return !in_list && member.empty() ? Offset<flatbuffers::String>(0) : packer.builder.CreateString(member);
  } else if constexpr (std::is_same_v<T, Buffer>) {
    return !in_list && member.empty() ? Offset<juxmem::fbs::Bytes>(0) : pack_bytes(packer, member);
  } else if constexpr (IsFixed<T>) {
    return pack_fixed(member);
  } else if constexpr (HasSchema<T>) {
    return pack_table(packer, member);
  } else {
    return pack_list(packer, member);
  }
}

template <typename T>
auto pack_fixed(const T& value) {
  return with_members<kFields<T>>(value, [](const auto&... member) {
    const auto pack_one = []<typename M>(const M& m) {
      if constexpr (HasSchema<M>) {
        return pack_fixed(m);
      } else {
        return m;
      }
    };
    return Schema<T>(pack_one(member)...);
  });
}

template <typename T>
auto pack_list(Packer& packer, const std::vector<T>& list) {
  using Item = decltype(pack_member(packer, std::declval<const T&>(), true));
  if constexpr (IsFixed<T>) {
    if (list.empty()) return Offset<flatbuffers::Vector<const Schema<T>*>>(0);
    Schema<T>* room = nullptr;
    const auto offset = packer.builder.CreateUninitializedVectorOfStructs(list.size(), &room);
    for (std::size_t i = 0; i < list.size(); ++i) room[i] = pack_fixed(list[i]);
    return offset;
  } else {
    if (list.empty()) return Offset<flatbuffers::Vector<Item>>(0);
    std::vector<Item> items;
    items.reserve(list.size());
    for (const T& item : list) items.push_back(pack_member(packer, item, true));
    return packer.builder.CreateVector(items);
  }
}

// The generated Create functions take fixed structs by pointer.
template <typename A>
auto argument(const A& packed) {
  if constexpr (requires { typename A::Traits; }) {
    return &packed;
  } else {
    return packed;
  }
}

template <typename T>
Offset<Schema<T>> pack_table(Packer& packer, const T& value) {
  if constexpr (IsVariant<T>) {
    using Any = UnionOf<T>;
    const Packed<Any> packed = std::visit(
        [&]<typename A>(const A& body) { return Packed<Any>{number_in_union<Any, A>(), pack_table(packer, body).Union()}; },
        value);
    return Schema<T>::Traits::Create(packer.builder, packed.type, packed.body);
  } else {
    return with_members<kFields<T>>(value, [&](const auto&... member) {
      // Braces fix the order; everything a table refers to must be written before the table begins.
      const std::tuple<decltype(pack_member(packer, member))...> packed{pack_member(packer, member)...};
      return std::apply([&](const auto&... one) { return Schema<T>::Traits::Create(packer.builder, argument(one)...); },
                        packed);
    });
  }
}

// For the files of the families.
template <typename Family>
Packed<juxmem::fbs::AnyMessage> pack_family(Packer& packer, const Family& message) {
  using Any = juxmem::fbs::AnyMessage;
  return std::visit(
      [&]<typename A>(const A& body) { return Packed<Any>{number_in_union<Any, A>(), pack_table(packer, body).Union()}; },
      message);
}

}  // namespace juxmem::wire::codec
